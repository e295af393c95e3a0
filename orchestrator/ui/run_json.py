"""A run while it goes on, for programs: one JSON object per line. docs/json.md has the kinds."""

from dataclasses import asdict
from typing import Any

import click

from orchestrator.runs.events import (
    Ended,
    LogLine,
    NodeBack,
    NodeSilent,
    RankEvent,
    RunEvent,
    TaskState,
)
from orchestrator.ui.plain import json_text
from training.contract.record import RunRecord


def tell(event: RunEvent) -> None:
    """Print it, at once."""
    print_line(told(event))


def print_line(fields: dict[str, Any]) -> None:
    """One object, as one line of standard output."""
    click.echo(json_text(fields))


def begun(record: RunRecord) -> dict[str, Any]:
    """The first line: what runs where."""
    fields = record.model_dump(mode="json", include={"run", "cluster", "created", "image", "ranks"})
    return {"kind": "run"} | fields


def told(event: RunEvent) -> dict[str, Any]:
    """An event as plain data."""
    match event:
        case TaskState(rank, state, error):
            return {"kind": "task", "rank": rank, "state": state, "error": error}
        case RankEvent(rank, _, fields):
            return {"kind": "event", "rank": rank, "event": dict(fields)}
        case LogLine(rank, text, at):
            return {"kind": "log", "rank": rank, "at": at, "text": text}
        case NodeSilent(node, why):
            return {"kind": "node", "node": node, "answers": False, "why": why}
        case NodeBack(node):
            return {"kind": "node", "node": node, "answers": True, "why": None}
        case Ended(verdict):
            return {"kind": "ended"} | asdict(verdict)
