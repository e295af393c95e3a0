"""Starting a lab, or repairing it."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TypeVar

from docker import DockerClient
from docker.models.containers import Container

from orchestrator.errors import LabError
from orchestrator.lab import (
    access,
    cluster_file,
    engine,
    labels,
    network,
    node,
    node_image,
    ready,
    seed,
    train_image,
)
from orchestrator.lab.engine import Privileges
from orchestrator.lab.spec import LabSpec, check

A = TypeVar("A")
B = TypeVar("B")

Progress = Callable[[str], AbstractContextManager[object]]
"""Called with the name of each step; the step happens inside the returned context."""


def up(spec: LabSpec, progress: Progress = nullcontext) -> Path:
    """Make the lab as `spec` says, or repair it; the path of its cluster file.

    Nodes that run are left as they are; nodes that are off or missing are recreated.

    Raises:
        LabError: what could not be built or started, and why.
    """
    check(spec)
    images = [node_image.NodeImage(suite) for suite in spec.suites]
    training = train_image.current() if spec.train_image else None
    volume = seed.volume_of(training.tag) if training else None
    plans = [
        node.NodePlan(spec.name, name, index, image.tag, volume)
        for index, (name, image) in enumerate(zip(node.names(spec.nodes), images, strict=True))
    ]
    with engine.connected() as client:
        _ensure_same_place(client, spec)
        running = _running(client, spec, plans)
        with progress("node image"):
            first, *_ = [node_image.ensure(client, image) for image in dict.fromkeys(images)]
            privileges = engine.privileges(client, first)
        if training:
            with progress("training image"):
                train_image.ensure(client, training)
                seed.ensure(client, first, training.tag, privileges)
        with progress("networks"):
            networks = network.ensure(client, spec.name, str(spec.out.absolute()))

        def make(plan: node.NodePlan) -> Container:
            container = running.get(plan.name)
            if container is None:
                container = node.boot(client, plan, networks, privileges, spec.nodes)
            ready.wait_ready(container, plan.name)
            return container

        with progress(f"nodes {', '.join(plan.name for plan in plans)}"):
            containers = in_parallel(make, plans)
        with progress("keys, password, cluster file"):
            _hand_over(spec, containers, training.tag if training else None, privileges)
    return spec.out.absolute()


def _ensure_same_place(client: DockerClient, spec: LabSpec) -> None:
    for place in network.out_files(client, spec.name):
        if place != spec.out.absolute():
            raise LabError(
                f"the lab `{spec.name}` is there already, with the cluster file {place}",
                resolution=f"Use that file, or `sparkctl lab down --name {spec.name}` first.",
            )


def _running(
    client: DockerClient, spec: LabSpec, plans: list[node.NodePlan]
) -> dict[str, Container]:
    """The nodes that can stay, by name."""
    recipes = {plan.name: plan.recipe for plan in plans}
    running = {
        container.labels[labels.NODE]: container
        for container in node.all_of(client, spec.name)
        if container.status == "running"
    }
    for name, container in running.items():
        if container.labels.get(labels.RECIPE) != recipes.get(name):
            raise LabError(
                f"the lab `{spec.name}` runs a {name} that is not as asked for now"
                f" ({spec.nodes} nodes, {spec.suite}, with the images of this version)",
                resolution=f"`sparkctl lab down --name {spec.name}` first, or another --name.",
            )
    return running


def _hand_over(
    spec: LabSpec, containers: list[Container], base_image: str | None, privileges: Privileges
) -> None:
    """Write the files by which sparkctl meets the lab like any other cluster."""
    own = access.ensure(spec.state)
    host_keys = in_parallel(lambda container: access.grant(container, own), containers)
    ports = [node.ssh_port(container) for container in containers]
    known = dict(zip(ports, host_keys, strict=True))
    own.known_hosts.write_text(access.known_hosts(known), encoding="utf-8")
    file = cluster_file.ClusterFile(
        lab=spec.name,
        ports=dict(zip(node.names(spec.nodes), ports, strict=True)),
        base_image=base_image,
        all_privileges=privileges.full,
    )
    spec.out.absolute().write_text(file.render(), encoding="utf-8")


def in_parallel(function: Callable[[A], B], items: list[A]) -> list[B]:
    """The results in the order of `items`; the first error is raised when all have ended."""
    with ThreadPoolExecutor(max_workers=max(1, len(items))) as pool:
        return list(pool.map(function, items))
