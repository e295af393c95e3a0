"""What training runs leave in Docker, found by label, and copies that a change which died left.

Nothing of it needs a journal. `cluster up` wants none of this and takes none of it away; only
`cluster down` does.
"""

import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import ClassVar, Self

from orchestrator.node.files import remove_file
from orchestrator.node.node import Node
from orchestrator.resources.base import Change, Resource, Stage, State, World


@dataclass(frozen=True)
class _Leftover(Resource):
    apart: ClassVar[bool] = True
    journaled: ClassVar[bool] = False

    @classmethod
    def left_on(cls, node: str) -> Iterable[Self]:
        return [cls(node)]

    def desired(self, world: World) -> State | None:
        return self.observe(world)


@dataclass(frozen=True)
class RunServices(_Leftover):
    """Services of training runs, finished or not; Swarm removes their containers on every node."""

    kind: ClassVar[str] = "runs"
    stage: ClassVar[Stage] = Stage.RUNS
    apart: ClassVar[bool] = False  # nothing is taken away under ranks that still run

    def observe(self, world: World) -> State | None:
        services = list(world[self.node].services)
        return {"services": services} if services else None

    def summary(self, before: State | None, after: State | None) -> str:
        return f"remove the services {', '.join(before['services'] if before else [])}"

    def apply(self, nodes: Mapping[str, Node], change: Change) -> None:
        from orchestrator.resources.actions.leftovers import remove_services

        names = change.before["services"] if change.before else []
        remove_services(nodes, self.node, names)


@dataclass(frozen=True)
class BuiltImages(_Leftover):
    """Training images that sparkctl built on the machine. Their base images stay."""

    kind: ClassVar[str] = "images"
    stage: ClassVar[Stage] = Stage.HOST
    place: ClassVar[int] = 10

    def observe(self, world: World) -> State | None:
        images = list(world[self.node].images)
        return {"images": images} if images else None

    def summary(self, before: State | None, after: State | None) -> str:
        return f"remove {', '.join(before['images'] if before else [])}"

    def apply(self, nodes: Mapping[str, Node], change: Change) -> None:
        from orchestrator.resources.actions.leftovers import remove_images

        remove_images(nodes[self.node], change.before["images"] if change.before else [])


@dataclass(frozen=True)
class UnfinishedCopies(_Leftover):
    """Files beside those that they were to replace, when connection or machine died in between."""

    kind: ClassVar[str] = "copies"
    stage: ClassVar[Stage] = Stage.HOST
    place: ClassVar[int] = 20

    def observe(self, world: World) -> State | None:
        files = list(world[self.node].staged)
        return {"files": files} if files else None

    def summary(self, before: State | None, after: State | None) -> str:
        return f"remove the unfinished {', '.join(before['files'] if before else [])}"

    def apply(self, nodes: Mapping[str, Node], change: Change) -> None:
        for file in change.before["files"] if change.before else []:
            nodes[self.node].script(remove_file(file) + _without_empty_journal(file))


def _without_empty_journal(file: str) -> str:
    """Shell: a journal that never got its first record is no reason for its folders to stay."""
    folder = PurePosixPath(file).parent
    if folder.name != "journal":
        return ""
    quoted = shlex.quote(str(folder)), shlex.quote(str(folder.parent))
    return f"rmdir {' '.join(quoted)} 2>/dev/null || :\n"
