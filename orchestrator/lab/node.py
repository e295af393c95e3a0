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
from orchestrator.lab.access import Access
from orchestrator.lab.cluster_file import INTERFACE, USER
from orchestrator.lab.context import archive, digest
from orchestrator.lab.engine import Privileges
from orchestrator.lab.execute import attempt, run
from orchestrator.lab.network import Networks
from orchestrator.lab.wait import until

UID = 1000
BOOT_S = 90
"""Seconds for a boot; it takes 3 on an idle machine."""
SSH_S = 15
"""Seconds for the SSH server to speak after the boot."""


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
    """Make the node anew and start it; whatever was left of an earlier one is removed.

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


def wait_ready(container: Container, name: str) -> str:
    """Wait until the node can be used; systemd's own word for its state.

    Ready means: systemd has ended its boot, the engine answers, and so does the SSH server.
    `degraded` is a node of which some unit failed.

    Raises:
        LabError: not ready in time; the end of the node's journal is in the details.
    """
    try:
        state = until(lambda: _booted(container), what=f"boot of {name}", deadline_s=BOOT_S)
        port = ssh_port(container)
        until(lambda: ports.ssh_banner(port), what=f"SSH server of {name}", deadline_s=SSH_S)
    except (LabError, APIError) as error:
        raise LabError(
            f"{name} is not ready: {error}", details=_last_words(container), node=name
        ) from error
    return state


def _booted(container: Container) -> str | None:
    script = "systemctl is-system-running; docker version --format '{{.Server.Version}}'"
    code, output = attempt(container, "sh", "-c", script)
    state, *_ = output.split() or [""]
    return state if code == 0 and state in ("running", "degraded") else None


def _last_words(container: Container) -> str:
    container.reload()
    if container.status != "running":
        return container.logs(tail=20).decode(errors="replace")
    script = "systemctl --failed --plain --no-legend; journalctl --no-pager -n 20"
    return attempt(container, "sh", "-c", script)[1]


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


def grant(container: Container, access: Access) -> list[str]:
    """Let the holder of `access` in, and set the sudo password; the node's public host keys."""
    home = f"/home/{USER}/.ssh"
    run(container, "install", "-d", "-m", "700", "-o", USER, "-g", USER, home)
    keys = {"authorized_keys": access.public_key.encode()}
    container.put_archive(home, archive(keys, owner=UID))
    login = {"LOGIN": f"{USER}:{access.password}"}
    run(container, "sh", "-c", 'printf "%s" "$LOGIN" | chpasswd', env=login)
    return run(container, "sh", "-c", "cat /etc/ssh/ssh_host_*_key.pub").splitlines()


def all_of(client: DockerClient, lab: str) -> Iterator[Container]:
    """The lab's nodes by name, in whatever state they are."""
    found = client.containers.list(all=True, filters=labels.of_lab(lab), ignore_removed=True)
    yield from sorted(found, key=lambda c: str(c.labels.get(labels.NODE)))
