"""What is seen of a run while it goes on. The terminal listens to these."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from orchestrator.runs.verdict import Verdict


@dataclass(frozen=True)
class TaskState:
    """Swarm says something new of a rank: preparing, running, complete, failed …"""

    rank: int
    state: str
    error: str | None


@dataclass(frozen=True)
class RankEvent:
    """The training code says something: `training/contract/events.py` has the kinds."""

    rank: int
    kind: str
    fields: Mapping[str, Any]


@dataclass(frozen=True)
class LogLine:
    """Any other line that a rank wrote."""

    rank: int
    text: str
    at: str = ""
    """UTC, ISO 8601 with microseconds."""


@dataclass(frozen=True)
class NodeSilent:
    """A machine does not answer us; the run may well go on there."""

    node: str
    why: str


@dataclass(frozen=True)
class NodeBack:
    """It answers again."""

    node: str


@dataclass(frozen=True)
class Ended:
    """The run is over."""

    verdict: Verdict


RunEvent = TaskState | RankEvent | LogLine | NodeSilent | NodeBack | Ended
RunListener = Callable[[RunEvent], None]


def parse_line(rank: int, line: str, at: str = "") -> RankEvent | LogLine:
    """One line of a rank's output: an event when it is one, else text."""
    if line.startswith('{"event"'):
        try:
            fields = json.loads(line)
            return RankEvent(rank, str(fields["event"]), fields)
        except ValueError:
            pass
    return LogLine(rank, line, at)
