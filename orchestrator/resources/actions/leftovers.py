"""Take away what runs have left in Docker: services, containers, images."""

from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from http import HTTPStatus
from typing import ParamSpec

import docker
import tenacity
from docker.models.containers import Container

from orchestrator.facts.strangers import is_of_a_run
from orchestrator.names import LABEL_RUN
from orchestrator.node.node import Node

P = ParamSpec("P")

_SERVICE = "com.docker.swarm.service.name"


def remove_services(nodes: Mapping[str, Node], manager: str, names: Iterable[str]) -> None:
    """Remove these services of runs; returns when their containers have gone from every node, or
    have had their time."""
    wanted = set(names)
    for service in nodes[manager].docker.services.list(filters={"label": LABEL_RUN}):
        if service.name in wanted:
            service.remove()
    for node in nodes.values():
        _wait_for_containers_to_go(node)


def remove_images(node: Node, images: Iterable[str]) -> None:
    """Remove these images, and before them the containers of runs."""
    client = node.docker
    _remove_containers(client)
    for image in images:
        with suppress(docker.errors.ImageNotFound):
            client.images.remove(image, force=True)


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
