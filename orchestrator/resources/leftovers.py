"""What training runs leave in Docker, found by label, and copies that a change which died left.

Nothing of it needs a journal. `cluster up` wants none of this and takes none of it away; only
`cluster down` does.
"""

import shlex
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import PurePosixPath
from typing import ClassVar, ParamSpec, Self

import docker
import tenacity
from docker.models.containers import Container

from orchestrator.facts.strangers import is_of_a_run
from orchestrator.names import LABEL_RUN
from orchestrator.node.files import remove_file
from orchestrator.node.node import Node
from orchestrator.resources.base import Change, Resource, Stage, State, World

P = ParamSpec("P")

_SERVICE = "com.docker.swarm.service.name"


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
        names = change.before["services"] if change.before else []
        for service in nodes[self.node].docker.services.list(filters={"label": LABEL_RUN}):
            if service.name in names:
                service.remove()
        for node in nodes.values():
            _wait_for_containers_to_go(node)


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
        client = nodes[self.node].docker
        _remove_containers(client)
        for image in change.before["images"] if change.before else []:
            with suppress(docker.errors.ImageNotFound):
                client.images.remove(image, force=True)


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


def _until_false(seconds: float) -> Callable[[Callable[P, bool]], Callable[P, bool]]:
    return tenacity.retry(
        wait=tenacity.wait_fixed(0.3),
        stop=tenacity.stop_after_delay(seconds),
        retry=tenacity.retry_if_result(bool),
        retry_error_callback=lambda _: True,
    )


@_until_false(60)
def _wait_for_containers_to_go(node: Node) -> bool:
    """Whether some are still there; after the deadline BuiltImages removes them by force."""
    return bool(_containers(node.docker))


@_until_false(30)
def _remove_containers(client: docker.DockerClient) -> bool:
    """Whether some are still there. Swarm may be removing the same ones: then it is waited for."""
    for container in _containers(client):
        try:
            container.remove(force=True)
        except docker.errors.APIError as error:
            if error.status_code not in (HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT):
                raise
    return bool(_containers(client))


def _containers(client: docker.DockerClient) -> list[Container]:
    """Of ranks, and TensorBoard; what was started with our label copied is none of ours."""
    found: list[Container] = client.containers.list(
        all=True, filters={"label": LABEL_RUN}, ignore_removed=True
    )
    return [one for one in found if _is_ours(one.attrs["Config"]["Image"], one.labels)]


def _is_ours(image: str, labels: Mapping[str, str]) -> bool:
    return is_of_a_run(image, labels.get(_SERVICE, ""), labels.get(LABEL_RUN, ""))
