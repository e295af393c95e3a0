"""The one idea: a resource knows one thing on one machine."""

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, ClassVar, Literal, Protocol

from orchestrator.facts.machine import Facts
from orchestrator.node.files import File
from orchestrator.node.node import Node
from orchestrator.resources.masking import masked_state

State = Mapping[str, Any]
"""What is or should be there, as plain JSON data: it compares, prints, hashes and journals."""

World = Mapping[str, Facts]
"""The facts of every node of the cluster."""

Action = Literal["create", "update", "delete"]


class Stage(IntEnum):
    """Barriers between nodes: a stage begins when all nodes have ended the one before."""

    HOST = 1
    MANAGER = 2
    WORKERS = 3
    RUNS = 4


@dataclass(frozen=True)
class Change:
    """One thing on one machine that is to become something else."""

    node: str
    resource: str
    action: Action
    summary: str
    stage: int
    before: State | None
    after: State | None
    notes: tuple[str, ...] = ()

    @property
    def id(self) -> str:
        """Unique in a plan: `spark-a/daemon.json`."""
        return f"{self.node}/{self.resource}"

    def to_dict(self) -> dict[str, Any]:
        """Plain data to be shown, by `--json` and in plan files: secrets in files are masked."""
        return {
            "id": self.id,
            "node": self.node,
            "resource": self.resource,
            "action": self.action,
            "summary": self.summary,
            "stage": int(self.stage),
            "before": masked_state(self.before),
            "after": masked_state(self.after),
            "notes": list(self.notes),
        }


class Resource(Protocol):
    """One thing on one machine. Implementations are frozen dataclasses of plain fields.

    The fields are journaled, and the resource is made again from them when it is to be undone: no
    cluster file is needed for the way back.
    """

    kind: ClassVar[str]
    stage: ClassVar[Stage]
    apart: ClassVar[bool]
    """Whether nothing rests on it: when it fails on the way back, the rest goes on."""

    @property
    def node(self) -> str:
        """Name of the machine."""

    @property
    def name(self) -> str:
        """Unique on the node; `kind`, or `kind` and what it is about."""

    def observe(self, world: World) -> State | None:
        """What is there now; None is "absent"."""

    def desired(self, world: World) -> State | None:
        """What should be there. May build on what is there, as a merge does."""

    def reverted(self, world: World, original: State | None, written: State) -> State | None:
        """What `down` should leave: the original, or what the user has made of ours, less ours."""

    def summary(self, before: State | None, after: State | None) -> str:
        """The change in a few words of the user's language."""

    def notes(self, world: World, before: State | None, after: State | None) -> tuple[str, ...]:
        """What the user should know before saying yes."""

    def apply(self, nodes: Mapping[str, Node], change: Change) -> None:
        """Make `change.after` so; the same code for the way there and the way back."""


def file_state(file: File | None) -> State | None:
    """A file as state: text where it is text, base64 where it is not."""
    if file is None:
        return None
    facts = {"mode": file.mode, "uid": file.uid, "gid": file.gid}
    try:
        return {"text": file.content.decode("utf-8"), **facts}
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(file.content).decode(), **facts}


def state_file(state: State) -> File:
    """The way back from `file_state`."""
    content = state["text"].encode() if "text" in state else base64.b64decode(state["base64"])
    return File(content, state["mode"], state["uid"], state["gid"])
