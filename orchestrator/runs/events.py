"""Events of a run while it runs. The terminal listens to these."""

from collections.abc import Callable
from dataclasses import dataclass, field

from orchestrator.runs.verdict import Outcome
from training.contract.events import Event
from training.contract.log import LogEvent, parse_log


@dataclass(frozen=True)
class TaskState:
    """Swarm reports a new state of a rank: preparing, running, complete, failed …"""

    rank: int
    state: str
    error: str | None


@dataclass(frozen=True)
class LogLine:
    """A line that a rank wrote; as an event of its own, any that is none."""

    rank: int
    text: str
    at: str = ""
    """UTC, ISO 8601 with microseconds."""


@dataclass(frozen=True)
class RankEvent:
    """An event of the rank or its supervisor."""

    rank: int
    event: LogEvent
    line: LogLine | None = field(default=None, compare=False)
    """The line that it was."""


@dataclass(frozen=True)
class NodeSilent:
    """A machine does not answer; the run may well continue there."""

    node: str
    why: str


@dataclass(frozen=True)
class NodeBack:
    """The machine answers again."""

    node: str


@dataclass(frozen=True)
class NodeGone:
    """The swarm misses a machine: its rank cannot start there."""

    node: str
    why: str


@dataclass(frozen=True)
class Ended:
    """The run is over."""

    outcome: Outcome


RunEvent = TaskState | RankEvent | LogLine | NodeSilent | NodeBack | NodeGone | Ended
RunListener = Callable[[RunEvent], None]


def parse_line(rank: int, line: str, at: str = "") -> RankEvent | LogLine:
    """One line of a rank's output: an event of this rank when it is one, else text."""
    event, written = parse_log(line), LogLine(rank, line, at)
    if event is None or (isinstance(event, Event) and event.rank != rank):
        return written
    return RankEvent(rank, event, written)
