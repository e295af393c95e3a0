"""What ranks have written: log-rank<R>.txt on their nodes, read piece by piece.

Asked again and again instead of held open: nothing is left behind on a machine when the computer
that looks goes away, and a machine that reboots is asked again when it is back.
"""

import base64
import re
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from heapq import merge

from orchestrator.errors import SpecError
from orchestrator.facts.protocol import parsing
from orchestrator.node.node import Node
from orchestrator.node.parallel import on_each
from orchestrator.templates import render_template
from training.contract.files import RankFiles
from training.contract.log import EVENT
from training.contract.record import RankPlace

_PIECE = 2**20
"""Bytes of a log that one look brings at most; there is more at once when it was as many."""
_VERDICT = 2**16
_LONGEST = 2**16
"""Characters of a line that are shown."""
_WINDOWS = (2**16, 2**20, 2**24)
"""Bytes of the end of a log in which its last lines are looked for; no line before is found."""
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


@dataclass(frozen=True)
class Wanted:
    """Which lines of a run's logs."""

    ranks: tuple[int, ...] = ()
    """None: of all."""
    since: str = ""
    """Nothing older: a time as `since_when` gives it."""
    events: bool = False
    """Also events, which the log has as JSON."""
    tail: int | None = None
    """Of those that are there, the last so many."""

    def has(self, line: Line) -> bool:
        """Whether it is one of them."""
        at, rank, text = line
        of_it = not self.ranks or rank in self.ranks
        return of_it and at >= self.since and (self.events or not text.startswith(EVENT))


EVERYTHING = Wanted(events=True)


def read_logs(
    places: Sequence[RankPlace],
    nodes: Mapping[str, Node],
    wanted: Wanted = EVERYTHING,
    offsets: dict[int, int] | None = None,
) -> Iterator[Line]:
    """The logs of these ranks, merged by time; lines of a rank keep their order.

    Read piece by piece, when it is wanted: no more than a piece of each rank is held; of a tail its
    lines. `offsets`: the bytes of each rank's log that are known already; they grow with what is
    read.
    """
    known = {} if offsets is None else offsets
    chosen = [place for place in places if not wanted.ranks or place.rank in wanted.ranks]
    if wanted.tail is None:
        each = [_lines(place, nodes[place.node], known) for place in chosen]
        return filter(wanted.has, merge(*each, key=_when))
    by_node = {place.node: place for place in chosen}
    ends = on_each(by_node, lambda name: _end(by_node[name], nodes[name], wanted, known))
    return iter(deque(merge(*ends.values(), key=_when), maxlen=wanted.tail))


def log_size(place: RankPlace, node: Node) -> int:
    """How many bytes the log of a rank has."""
    log = f"{place.folder}/{RankFiles(place.rank).log}"
    output = node.script(render_template("runs/log_size.sh.j2", log=log), need="docker")
    with parsing(node.name, __file__):
        return int(output)


def _lines(place: RankPlace, node: Node, offsets: dict[int, int]) -> Iterator[Line]:
    more, last = True, ""
    while more:
        offset = offsets.get(place.rank, 0)
        piece = seen(node.script(look(place, offset), need="docker"), offset)
        offsets[place.rank], more = piece.offset, piece.more
        for line in piece.lines:
            at, text = stamped(line)
            last = at or last
            yield last, place.rank, shortened(text)


def _end(place: RankPlace, node: Node, wanted: Wanted, offsets: dict[int, int]) -> Sequence[Line]:
    """The last wanted lines of one rank."""
    size, found = log_size(place, node), deque[Line](maxlen=wanted.tail)
    for window in _WINDOWS if wanted.tail else ():
        begin = max(0, size - window)
        here = {place.rank: begin}
        lines = _lines(place, node, here)
        if begin:
            next(lines, None)  # the rest of one that began before
        found = deque(filter(wanted.has, lines), maxlen=wanted.tail)
        size = max(size, here[place.rank])
        if len(found) == wanted.tail or not begin:
            break
    offsets[place.rank] = size
    return found


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
