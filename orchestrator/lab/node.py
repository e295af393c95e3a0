"""One simulated Spark: a container that boots systemd."""

import uuid
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass

from docker import DockerClient
from docker.errors import APIError, NotFound
from docker.models.containers import Container

from orchestrator.errors import LabError
from orchestrator.lab import labels, ports
from orchestrator.lab.cluster_file import INTERFACE
from orchestrator.lab.context import archive, digest
from orchestrator.lab.engine import Privileges
from orchestrator.lab.network import Networks


@dataclass(frozen=True)
class NodePlan:
    """What a node is made from."""

    lab: str
    name: str
    index: int
    image: str
    seed: str | None = None
    """Volume with the engine content that every node begins with."""

    @property
    def container(self) -> str:
        """Name of the container."""
        return f"sparkctl-lab-{self.lab}-{self.name}"

    @property
    def volume(self) -> str:
        """Name of the volume for /var/lib/docker: overlay2 cannot stand on a container's layer."""
        return f"{self.container}-docker"

    @property
    def recipe(self) -> str:
        """Whether a node that runs is one that this plan would make."""
        return digest(self.image, self.seed or "")


def names(count: int) -> list[str]:
    """spark-a, spark-b, …"""
    return [f"spark-{chr(ord('a') + index)}" for index in range(count)]


def boot(
    client: DockerClient, plan: NodePlan, networks: Networks, privileges: Privileges, total: int
) -> Container:
    """Recreate the node and start it; whatever was left of an earlier one is removed.

    Raises:
        LabError: the engine refused, or there is no free port.
    """
    for port in ports.free(client, plan.index, total):
        discard(client, plan)
        client.volumes.create(plan.volume, labels=labels.of_node(plan.lab, plan.name))
        container = _create(client, plan, networks, privileges, port)
        try:
            container.start()
        except APIError as error:
            if ports.is_conflict(str(error)):
                continue
            raise LabError(
                f"{plan.name} does not start", details=str(error), node=plan.name
            ) from error
        return container
    raise LabError(f"no free port from {ports.FIRST} on", node=plan.name)


def _create(
    client: DockerClient,
    plan: NodePlan,
    networks: Networks,
    privileges: Privileges,
    port: int,
) -> Container:
    binds = [f"{plan.volume}:/var/lib/docker"]
    if plan.seed:
        binds.append(f"{plan.seed}:/var/lib/sparkctl-lab/seed:ro")
    created = client.api.create_container(
        plan.image,
        name=plan.container,
        hostname=plan.name,
        environment={"SPARKCTL_LAB_NODE": f"{plan.lab}-{plan.name}"},
        labels=labels.of_node(plan.lab, plan.name) | {labels.RECIPE: plan.recipe},
        ports=[(22, "tcp")],
        host_config=privileges.host_config(
            client,
            binds=binds,
            network_mode=networks.management.name,
            port_bindings={"22/tcp": (ports.LOOPBACK, port)},
        ),
    )
    container = client.containers.get(created["Id"])
    networks.attach(container, plan.index)
    identity = {
        "etc/machine-id": f"{uuid.uuid4().hex}\n",
        "etc/sparkctl-lab/gpu-uuid": f"GPU-{uuid.uuid4()}\n",
        "etc/sparkctl-lab/fabric-subnet": f"{networks.subnet}\n",
        "etc/sparkctl-lab/fabric-interface": f"{INTERFACE}\n",
    }
    container.put_archive("/", archive({path: text.encode() for path, text in identity.items()}))
    return container


def discard(client: DockerClient, plan: NodePlan) -> None:
    """Remove the node's container and volume, if they are there."""
    with suppress(NotFound):
        client.containers.get(plan.container).remove(force=True, v=True)
    with suppress(NotFound):
        client.volumes.get(plan.volume).remove(force=True)


def ssh_port(container: Container) -> int:
    """The loopback port of the node's SSH server."""
    port = ports.published(_client(container), str(container.id))
    if port is None:
        raise LabError(f"{container.name} publishes no SSH port")
    return port


def _client(container: Container) -> DockerClient:
    client = container.client
    assert client is not None, "every container of the lab comes from a client"
    return client


def all_of(client: DockerClient, lab: str) -> Iterator[Container]:
    """The lab's nodes by name, in whatever state they are."""
    found = client.containers.list(all=True, filters=labels.of_lab(lab), ignore_removed=True)
    yield from sorted(found, key=lambda c: str(c.labels.get(labels.NODE)))
