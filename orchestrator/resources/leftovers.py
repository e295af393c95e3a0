"""What training runs leave in Docker; found by label, so nothing of it needs a journal.

`cluster up` wants none of this and takes none of it away; only `cluster down` does.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import tenacity

from orchestrator.names import LABEL_RUN
from orchestrator.node.node import Node
from orchestrator.resources.base import Change, Stage, State, World


@dataclass(frozen=True)
class _Leftover:
    node: str

    def desired(self, world: World) -> State | None:
        return self._observed(world)

    def observe(self, world: World) -> State | None:
        return self._observed(world)

    def _observed(self, world: World) -> State | None:
        raise NotImplementedError

    def reverted(self, world: World, original: State | None, written: State) -> State | None:
        return None

    def notes(self, world: World, before: State | None, after: State | None) -> tuple[str, ...]:
        return ()


@dataclass(frozen=True)
class RunServices(_Leftover):
    """Services of training runs, finished or not; Swarm removes their containers on every node."""

    kind: ClassVar[str] = "runs"
    stage: ClassVar[Stage] = Stage.RUNS

    @property
    def name(self) -> str:
        return self.kind

    def _observed(self, world: World) -> State | None:
        services = list(world[self.node].services)
        return {"services": services} if services else None

    def summary(self, before: State | None, after: State | None) -> str:
        return f"remove the services {', '.join(before['services'] if before else [])}"

    def apply(self, nodes: Mapping[str, Node], change: Change) -> None:
        for service in nodes[self.node].docker.services.list(filters={"label": LABEL_RUN}):
            service.remove()
        for node in nodes.values():
            _wait_for_containers_to_go(node)


@dataclass(frozen=True)
class BuiltImages(_Leftover):
    """Training images that sparkctl built on the machine. Their base images stay."""

    kind: ClassVar[str] = "images"
    stage: ClassVar[Stage] = Stage.HOST

    @property
    def name(self) -> str:
        return self.kind

    def _observed(self, world: World) -> State | None:
        images = list(world[self.node].images)
        return {"images": images} if images else None

    def summary(self, before: State | None, after: State | None) -> str:
        return f"remove {', '.join(before['images'] if before else [])}"

    def apply(self, nodes: Mapping[str, Node], change: Change) -> None:
        client = nodes[self.node].docker
        for container in client.containers.list(all=True, filters={"label": LABEL_RUN}):
            container.remove(force=True)
        for image in change.before["images"] if change.before else []:
            client.images.remove(image, force=True)


@tenacity.retry(
    wait=tenacity.wait_fixed(0.3),
    stop=tenacity.stop_after_delay(60),
    retry=tenacity.retry_if_result(bool),
    retry_error_callback=lambda _: True,
)
def _wait_for_containers_to_go(node: Node) -> bool:
    """Whether some are still there; after the deadline BuiltImages removes them by force."""
    return bool(node.docker.containers.list(all=True, filters={"label": LABEL_RUN}))
