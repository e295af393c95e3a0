"""What ranks have written: log-rank<R>.txt on their nodes, read piece by piece.

Asked again and again instead of held open: nothing is left behind on a machine when the computer
that looks goes away, and a machine that reboots is asked again when it is back.
"""

import base64
import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from orchestrator.runs.record import RankPlace

_PIECE = 2**20
"""Bytes of a log that one look brings at most; there is more at once when it was as many."""


@dataclass(frozen=True)
class Piece:
    """What one look at a rank has brought."""

    lines: tuple[str, ...]
    """Whole ones, each with its time before it."""
    verdict: str | None
    """JSON."""
    offset: int
    """Where the next look begins."""
    more: bool
    """Whether it is worth to look again at once."""


def look(place: RankPlace, offset: int) -> str:
    """Shell: the log from this byte on, and the verdict, if there is one. Prints two lines."""
    rank = place.rank
    return f"""\
cd {shlex.quote(place.folder)} || exit 0
{{ [ ! -f log-rank{rank}.txt ] || tail -c +{offset + 1} log-rank{rank}.txt | head -c {_PIECE}; }} |
  base64 | tr -d '\\n'; echo
{{ [ ! -f verdict-rank{rank}.json ] || cat verdict-rank{rank}.json; }} | base64 | tr -d '\\n'; echo
"""


def seen(output: str, offset: int) -> Piece:
    """Read what `look` has printed. A line that is still being written waits for the next look."""
    encoded, verdict = [*output.splitlines(), "", ""][:2]
    data = base64.b64decode(encoded)
    whole = data[: data.rfind(b"\n") + 1]
    return Piece(
        tuple(whole.decode("utf-8", "replace").splitlines()),
        base64.b64decode(verdict).decode("utf-8", "replace") or None,
        offset + len(whole),
        more=len(data) >= _PIECE and bool(whole),
    )


def stamped(line: str) -> tuple[str, str]:
    """Time and text of a line."""
    at, _, text = line.partition(" ")
    return at, text


def by_time(logs: Mapping[int, Iterable[str]]) -> list[tuple[str, int, str]]:
    """(time, rank, text) of all ranks, merged; lines of a rank keep their order."""
    all_lines = [
        (*stamped(line), rank, number)
        for rank, lines in logs.items()
        for number, line in enumerate(lines)
    ]
    all_lines.sort(key=lambda one: (one[0], one[2], one[3]))
    return [(at, rank, text) for at, text, rank, _ in all_lines]
