"""The one idea: a resource knows one thing on one machine."""

import base64
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, ClassVar, Literal, Self

from orchestrator.facts.machine import Facts
from orchestrator.node.files import File
from orchestrator.node.node import Node
from orchestrator.resources.masking import masked_state
from orchestrator.spec.cluster import ClusterSpec

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


@dataclass(frozen=True)
class WayBack:
    """What no journal knows when things are restored."""

    spec: ClusterSpec
    delete_runs: bool
    """Whether the runs folder may go with all that is in it."""
    names: Mapping[str, str]
    """What the machines that manage a swarm are called now, by their former names."""


@dataclass(frozen=True)
class Resource(ABC):
    """One thing on one machine. Subclasses are frozen dataclasses of plain fields, in this package.

    `registry.py` finds them. The fields are journaled, and the resource is made again from them
    when it is to be undone: no cluster file is needed for the way back. What is not abstract here
    has a default that holds for most.
    """

    kind: ClassVar[str]
    stage: ClassVar[Stage]
    place: ClassVar[int] = 100
    """Its turn among those of its stage, low first."""
    apart: ClassVar[bool] = False
    """Whether nothing rests on it: when it fails on the way back, the rest continues."""
    journaled: ClassVar[bool] = True
    """Whether it has a way back: its original is recorded before it is changed."""

    node: str
    """Name of the machine."""

    @classmethod
    def wanted(cls, spec: ClusterSpec, world: World) -> Iterable[Self]:
        """The resources that the cluster file asks for, on the machines that were read."""
        return ()

    @classmethod
    def left_on(cls, node: str) -> Iterable[Self]:
        """The resources that `down` looks for on a machine whatever its journal has."""
        return ()

    @classmethod
    def recorded(cls, fields: Mapping[str, Any], node: str) -> Self:
        """Made again from the fields in a record, of a machine that is called `node` now.

        Raises KeyError or TypeError where they are not those of this class.
        """
        return cls(**{**fields, "node": node})

    @property
    def name(self) -> str:
        """Unique on the node; `kind`, or `kind` and what it is about."""
        return self.kind

    @abstractmethod
    def observe(self, world: World) -> State | None:
        """What is there now; None is "absent"."""

    @abstractmethod
    def desired(self, world: World) -> State | None:
        """What should be there. May build on what is there, as a merge does."""

    def reverted(self, world: World, original: State | None, written: State) -> State | None:
        """What `down` should leave: the original, or what the user has made of ours, less ours."""
        return original

    @abstractmethod
    def summary(self, before: State | None, after: State | None) -> str:
        """The change in a few words of the user's language."""

    def notes(self, world: World, before: State | None, after: State | None) -> tuple[str, ...]:
        """What the user should know before saying yes."""
        return ()

    @abstractmethod
    def apply(self, nodes: Mapping[str, Node], change: Change) -> None:
        """Make `change.after` so; the same code for the way there and the way back."""

    def absent(self, state: State | None) -> bool:
        """Absence as a person sees it: no state, or one that only means "not there"."""
        return state is None

    def foreseen(self, world: World, change: Change) -> World:
        """The world after the change, as far as what is planned after it depends on it.

        The tests' simulated machines, too, continue from here where they do not know better.
        """
        return world

    def for_way_back(self, way: WayBack) -> "Resource":
        """The resource that restores it: mostly the one that was recorded."""
        return self

    def may_go_later(self, way: WayBack, world: World, original: State | None) -> bool:
        """Whether its record is kept where nothing can be restored now, though it is ours."""
        return False

    def why_kept(self, world: World, original: State | None) -> str:
        """Why it does not become what it was, in words."""
        return f"{self.name} was edited since; your edits stay, ours are out"


def members(spec: ClusterSpec, world: World) -> list[Facts]:
    """The machines that are to be in the cluster and were read, in the order of its file."""
    return [world[node.name] for node in spec.members if node.name in world]


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
