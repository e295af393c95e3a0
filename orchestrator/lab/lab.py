"""The lab as a whole: up, down, status."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
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
    seed,
    train_image,
)
from orchestrator.lab.engine import Privileges

A = TypeVar("A")
B = TypeVar("B")

Progress = Callable[[str], AbstractContextManager[object]]
"""Called with the name of each step; the step happens inside the returned context."""

MAX_NODES = 26


@dataclass(frozen=True)
class LabSpec:
    """What a lab should be."""

    name: str = "lab"
    nodes: int = 2
    suite: str = "trixie"
    """Debian suite of the nodes, which decides their engine: trixie 26.1, bookworm 20.10."""
    out: Path = Path("cluster.yaml")
    """The cluster file; the state folder `.lab/<name>` is beside it."""
    train_image: bool = True
    """Whether every node begins with the training base image."""

    @property
    def state(self) -> Path:
        """Folder of the keys and the password."""
        return state_folder(self.out.absolute(), self.name)


def state_folder(out: Path, lab: str) -> Path:
    """Where a lab whose cluster file is `out` keeps its keys."""
    return out.parent / ".lab" / lab


def up(spec: LabSpec, progress: Progress = nullcontext) -> Path:
    """Make the lab as `spec` says, or mend it; the path of its cluster file.

    Nodes that run are left as they are; nodes that are off or missing are made anew.

    Raises:
        LabError: what could not be built or started, and why.
    """
    if not 1 <= spec.nodes <= MAX_NODES:
        raise LabError(f"a lab has 1 to {MAX_NODES} nodes, not {spec.nodes}")
    client = engine.connect()
    out = spec.out.absolute()
    cluster_file.refuse_foreign(out, spec.name)
    _refuse_other_place(client, spec)
    with progress("node image"):
        image = node_image.ensure(client, node_image.NodeImage(spec.suite))
    running = _running(client, spec, image)
    with progress("networks"):
        networks = network.ensure(client, spec.name, str(out))
        privileges = engine.privileges(client, image)
    base_image, volume = None, None
    if spec.train_image:
        with progress("training image"):
            base_image = train_image.ensure(client, train_image.current())
            volume = seed.ensure(client, image, base_image, privileges)
    plans = [
        node.NodePlan(spec.name, name, index, image, volume)
        for index, name in enumerate(node.names(spec.nodes))
    ]

    def make(plan: node.NodePlan) -> Container:
        container = running.get(plan.name)
        if container is None:
            container = node.boot(client, plan, networks, privileges, spec.nodes)
        node.wait_ready(container, plan.name)
        return container

    with progress(f"nodes {', '.join(plan.name for plan in plans)}"):
        containers = in_parallel(make, plans)
    with progress("keys, password, cluster file"):
        _hand_over(spec, containers, base_image, privileges)
    return out


def _refuse_other_place(client: DockerClient, spec: LabSpec) -> None:
    for place in network.out_files(client, spec.name):
        if place != spec.out.absolute():
            raise LabError(
                f"the lab `{spec.name}` is there already, with the cluster file {place}",
                resolution=f"Use that file, or `sparkctl lab down --name {spec.name}` first.",
            )


def _running(client: DockerClient, spec: LabSpec, image: str) -> dict[str, Container]:
    """The nodes that can stay, by name."""
    running = [c for c in node.all_of(client, spec.name) if c.status == "running"]
    wanted = node.names(spec.nodes)
    for container in running:
        name = container.labels[labels.NODE]
        if name not in wanted or image not in (container.image.tags if container.image else []):
            raise LabError(
                f"the lab `{spec.name}` runs {name}, which is not as asked for"
                f" ({spec.nodes} nodes of {image})",
                resolution=f"`sparkctl lab down --name {spec.name}` first, or another --name.",
            )
    return {c.labels[labels.NODE]: c for c in running}


def _hand_over(
    spec: LabSpec, containers: list[Container], base_image: str | None, privileges: Privileges
) -> None:
    """Write the files by which sparkctl meets the lab like any other cluster."""
    own = access.ensure(spec.state)
    host_keys = in_parallel(lambda container: node.grant(container, own), containers)
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
