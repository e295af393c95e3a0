"""What ranks have written: log-rank<R>.txt on their nodes, read piece by piece.

Asked again and again instead of held open: nothing is left behind on a machine when the computer
that looks goes away, and a machine that reboots is asked again when it is back.
"""

import base64
import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from orchestrator.errors import SpecError
from orchestrator.node.node import Node
from orchestrator.node.parallel import on_each
from training.contract.record import RankPlace

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
        # Not splitlines: a vertical tab, or a separator of Unicode, does not end a line here.
        tuple(whole.decode("utf-8", "replace").split("\n")[:-1]),
        base64.b64decode(verdict).decode("utf-8", "replace") or None,
        offset + len(whole),
        more=len(data) >= _PIECE and bool(whole),
    )


def stamped(line: str) -> tuple[str, str]:
    """Time and text of a line."""
    at, _, text = line.partition(" ")
    return at, text


def read_logs(places: Sequence[RankPlace], nodes: Mapping[str, Node]) -> dict[int, list[str]]:
    """The whole log of these ranks, by rank, from all nodes at once."""

    def read(name: str) -> dict[int, list[str]]:
        found: dict[int, list[str]] = {}
        for place in (place for place in places if place.node == name):
            lines, offset, more = found.setdefault(place.rank, []), 0, True
            while more:
                piece = seen(nodes[name].script(look(place, offset), need="docker"), offset)
                lines += piece.lines
                offset, more = piece.offset, piece.more
        return found

    read_all = on_each(dict.fromkeys(place.node for place in places), read)
    return {rank: lines for found in read_all.values() for rank, lines in found.items()}


def since_when(text: str, now: datetime | None = None) -> str:
    """A time as the log has it, from one, or from how long ago: 90s, 10m, 2h, 1d.

    Raises SpecError for anything else. A time without a zone is this computer's.
    """
    units = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
    try:
        if text[-1:] in units:
            ago = timedelta(**{units[text[-1]]: float(text[:-1])})
            begin = (now or datetime.now(UTC)) - ago
        else:
            begin = datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError):
        raise SpecError(
            f"--since {text} is no time",
            resolution="Say 2026-11-24T16:30, or how long ago: 90s, 10m, 2h, 1d.",
        ) from None
    return begin.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def by_time(logs: Mapping[int, Iterable[str]]) -> list[tuple[str, int, str]]:
    """(time, rank, text) of all ranks, merged; lines of a rank keep their order."""
    all_lines = [
        (*stamped(line), rank, number)
        for rank, lines in logs.items()
        for number, line in enumerate(lines)
    ]
    all_lines.sort(key=lambda one: (one[0], one[2], one[3]))
    return [(at, rank, text) for at, text, rank, _ in all_lines]


def chosen(
    logs: Mapping[int, Iterable[str]], *, begin: str = "", events: bool = False
) -> list[tuple[str, int, str]]:
    """(time, rank, text), merged: nothing older than `begin`; events only when they are wanted."""
    return [
        (at, rank, text)
        for at, rank, text in by_time(logs)
        if at >= begin and (events or not text.startswith('{"event":'))
    ]
