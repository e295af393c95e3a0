"""A run while it runs, for programs: one JSON object per line.

docs/schema/run-events.json is generated from these models.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

import click
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, RootModel

from orchestrator.runs.events import (
    Ended,
    LogLine,
    NodeBack,
    NodeGone,
    NodeSilent,
    RankEvent,
    RunEvent,
    TaskState,
)
from orchestrator.runs.verdict import Outcome
from orchestrator.ui.plain import json_text
from training.contract.events import Result
from training.contract.log import LogEvent
from training.contract.record import RankPlace, RunRecord


class _Line(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class RunLine(_Line):
    """The first line: what runs where."""

    kind: Literal["run"] = "run"
    run: str
    """Its name, unique on the cluster."""
    cluster: str
    """Where it runs."""
    created: AwareDatetime
    """UTC."""
    image: str
    """Training image; the tag is the hash of its contents."""
    ranks: tuple[RankPlace, ...]
    """In order."""


class TaskLine(_Line):
    """What Swarm reports of a container."""

    kind: Literal["task"] = "task"
    rank: int
    """Whose it is."""
    state: str
    """preparing, running, complete, failed …"""
    error: str | None
    """Swarm's own words."""


class EventLine(_Line):
    """An event of a rank or its supervisor."""

    kind: Literal["event"] = "event"
    rank: int
    """Which rank reports it."""
    event: Annotated[LogEvent, Field(discriminator="event")]
    """`training/contract` has the kinds."""


class TextLine(_Line):
    """Any other line of a rank."""

    kind: Literal["log"] = "log"
    rank: int
    """Whose it is."""
    at: str
    """UTC, ISO 8601 with microseconds; empty where it is not known."""
    text: str
    """As it was written, secrets redacted."""


class NodeLine(_Line):
    """A machine went silent, or is back; or the swarm misses it."""

    kind: Literal["node"] = "node"
    node: str
    """Its name."""
    answers: bool
    """Whether it does now."""
    why: str | None
    """Why not."""


class EndedLine(_Line):
    """The last line: how the run ended."""

    kind: Literal["ended"] = "ended"
    run: str
    """Its name."""
    state: str
    """succeeded, failed, stopped, broken."""
    brief: str
    """In words."""
    details: str | None
    """The last lines of the rank that failed."""
    resolution: str | None
    """How to continue."""
    results: tuple[Result, ...]
    """Of every rank that reported one."""


class RunLines(
    RootModel[
        Annotated[
            RunLine | TaskLine | EventLine | TextLine | NodeLine | EndedLine,
            Field(discriminator="kind"),
        ]
    ]
):
    """A line of `sparkctl train | runs follow | runs resume | runs logs --json`."""


def print_event(event: RunEvent) -> None:
    """Print it, at once."""
    print_line(event_line(event))


def print_line(fields: BaseModel | Mapping[str, Any]) -> None:
    """One object, as one line of standard output."""
    click.echo(json_text(fields))


def run_started(record: RunRecord) -> RunLine:
    """The first line."""
    return RunLine(
        run=record.run, cluster=record.cluster, created=record.created, image=record.image,
        ranks=record.ranks,
    )  # fmt: skip


def event_line(event: RunEvent) -> BaseModel:
    """The line for an event."""
    match event:
        case TaskState(rank, state, error):
            return TaskLine(rank=rank, state=state, error=error)
        case RankEvent(rank, rank_event):
            return EventLine(rank=rank, event=rank_event)
        case LogLine(rank, text, at):
            return TextLine(rank=rank, at=at, text=text)
        case NodeSilent(node, why) | NodeGone(node, why):
            return NodeLine(node=node, answers=False, why=why)
        case NodeBack(node):
            return NodeLine(node=node, answers=True, why=None)
        case Ended(outcome):
            return EndedLine(**end_of(outcome))


def end_of(outcome: Outcome) -> dict[str, Any]:
    """How a run ended, as plain data."""
    names = ("run", "state", "brief", "details", "resolution", "results")
    return {name: getattr(outcome, name) for name in names}
