"""What ranks have written: log-rank<R>.txt on their nodes, read piece by piece.

Asked again and again instead of held open: nothing is left behind on a machine when the computer
that looks goes away, and a machine that reboots is asked again when it is back.
"""

import base64
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from heapq import merge

from orchestrator.errors import SpecError
from orchestrator.node.node import Node
from orchestrator.templates import render_template
from training.contract.files import RankFiles
from training.contract.log import EVENT
from training.contract.record import RankPlace

_PIECE = 2**20
"""Bytes of a log that one look brings at most; there is more at once when it was as many."""
_VERDICT = 2**16
_LONGEST = 2**16
"""Characters of a line that are shown."""
_STAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")

Line = tuple[str, int, str]
"""Time, rank, text."""


@dataclass(frozen=True)
class Piece:
    """What one look at a rank has brought."""

    lines: tuple[str, ...]
    """Whole ones, each with its time before it; parts of one that is longer than a piece."""
    verdict: str | None
    """JSON."""
    offset: int
    """Where the next look begins."""
    more: bool
    """Whether it is worth to look again at once."""


def look(place: RankPlace, offset: int) -> str:
    """Shell: the log from this byte on, and the verdict, if there is one. Prints two lines."""
    return render_template(
        "runs/look.sh.j2",
        folder=place.folder,
        names=RankFiles(place.rank),
        offset=offset,
        piece=_PIECE,
        verdict=_VERDICT,
    )


def seen(output: str, offset: int) -> Piece:
    """Read what `look` has printed. A line that is still being written waits for the next look."""
    encoded, verdict = [*output.splitlines(), "", ""][:2]
    data = base64.b64decode(encoded)
    full = len(data) >= _PIECE
    whole = data[: data.rfind(b"\n") + 1] or (data + b"\n" if full else b"")
    return Piece(
        # Not splitlines: a vertical tab, or a separator of Unicode, does not end a line here.
        tuple(whole.decode("utf-8", "replace").split("\n")[:-1]),
        base64.b64decode(verdict).decode("utf-8", "replace") or None,
        offset + min(len(whole), len(data)),
        more=full,
    )


def stamped(line: str) -> tuple[str, str]:
    """Time and text of a line; no time for what a supervisor did not write."""
    at, _, text = line.partition(" ")
    return (at, text) if _STAMP.fullmatch(at) else ("", line)


def read_logs(places: Sequence[RankPlace], nodes: Mapping[str, Node]) -> Iterator[Line]:
    """The logs of these ranks, merged by time; lines of a rank keep their order.

    Read piece by piece, when it is wanted: no more than a piece of each rank is held.
    """
    return merge(*(_lines(place, nodes[place.node]) for place in places), key=_when)


def _lines(place: RankPlace, node: Node) -> Iterator[Line]:
    offset, more, last = 0, True, ""
    while more:
        piece = seen(node.script(look(place, offset), need="docker"), offset)
        for line in piece.lines:
            at, text = stamped(line)
            last = at or last
            yield last, place.rank, shortened(text)
        offset, more = piece.offset, piece.more


def _when(line: Line) -> tuple[str, int]:
    return line[:2]


def shortened(text: str) -> str:
    """No program can use a line of megabytes, and no terminal shows it."""
    cut = len(text) - _LONGEST
    return text if cut <= 0 else f"{text[:_LONGEST]}… ({cut} more characters)"


def since_when(text: str | None, now: datetime | None = None) -> str:
    """A time as the log has it, from one, or from how long ago by the clock `now`: 90s,
    10m, 2h, 1d. Empty for None.

    Raises SpecError for anything else. A time without a zone is this computer's.
    """
    if text is None:
        return ""
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
            resolution="Write 2026-11-24T16:30, or how long ago: 90s, 10m, 2h, 1d.",
        ) from None
    return begin.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def chosen(lines: Iterable[Line], *, begin: str = "", events: bool = False) -> Iterator[Line]:
    """Nothing older than `begin`; events only when they are wanted."""
    for line in lines:
        if line[0] >= begin and (events or not line[2].startswith(EVENT)):
            yield line
