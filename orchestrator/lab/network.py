"""The two networks of a lab: one to be managed by, one that plays the fast link."""

import ipaddress
from dataclasses import dataclass
from pathlib import Path

from docker import DockerClient
from docker.errors import APIError, NotFound
from docker.models.containers import Container
from docker.models.networks import Network
from docker.types import IPAMConfig, IPAMPool

from orchestrator.errors import LabError
from orchestrator.lab import labels

FIRST_HOST = 10
"""Node i has the fabric address .(10+i), as in NVIDIA's playbook for two Sparks."""

TRIES = 3


@dataclass(frozen=True)
class Networks:
    """The networks of one lab."""

    management: Network
    """Carries SSH from this computer, through ports published on the loopback address."""
    fabric: Network
    """Reaches the other nodes and nothing else."""
    subnet: ipaddress.IPv4Network
    """The fabric's addresses."""

    def address(self, index: int) -> str:
        """The fabric address of node number `index`; it stays over a reboot, like a Spark's."""
        return str(self.subnet[FIRST_HOST + index])

    def attach(self, container: Container, index: int) -> None:
        """Plug a node that is not started yet into the fabric."""
        self.fabric.connect(container, ipv4_address=self.address(index))


def ensure(client: DockerClient, lab: str, out: str) -> Networks:
    """The lab's networks, made if they are not there.

    Raises:
        LabError: the engine has no address range left.
    """
    mark = {labels.LAB: lab, labels.OUT: out}
    management = _find(client, f"sparkctl-lab-{lab}") or client.networks.create(
        f"sparkctl-lab-{lab}", driver="bridge", labels=mark
    )
    name = f"sparkctl-lab-{lab}-fabric"
    fabric = _find(client, name) or _create_fabric(client, name, mark)
    return Networks(management, fabric, _subnet(fabric))


def _find(client: DockerClient, name: str) -> Network | None:
    return next((n for n in client.networks.list(names=[name]) if n.name == name), None)


def _create_fabric(client: DockerClient, name: str, mark: dict[str, str]) -> Network:
    """A network with fixed addresses needs a subnet of our choice, and the engine alone knows which
    ranges are free here: let it choose one, then recreate the network with that choice."""
    for attempt in range(1, TRIES + 1):
        probe = client.networks.create(name, driver="bridge", labels=mark)
        probe.reload()
        subnet = next(_subnet(probe).subnets(new_prefix=24))
        probe.remove()
        try:
            return client.networks.create(
                name,
                driver="bridge",
                internal=True,
                ipam=IPAMConfig(pool_configs=[IPAMPool(subnet=str(subnet))]),
                labels=mark,
            )
        except APIError as error:  # another lab took the range in between
            if attempt == TRIES:
                raise LabError("the engine has no free range", details=str(error)) from error
    raise AssertionError("unreachable")


def _subnet(network: Network) -> ipaddress.IPv4Network:
    network.reload()
    attributes = network.attrs or {}
    return ipaddress.IPv4Network(attributes["IPAM"]["Config"][0]["Subnet"])


def out_files(client: DockerClient, lab: str) -> set[Path]:
    """The cluster files that the lab's networks remember; none when there is no such lab."""
    networks = client.networks.list(filters=labels.of_lab(lab))
    marks = [(network.attrs or {}).get("Labels", {}).get(labels.OUT) for network in networks]
    return {Path(mark) for mark in marks if mark}


def remove(client: DockerClient, lab: str) -> int:
    """Remove the lab's networks; the number of them. Its containers must be gone."""
    found = client.networks.list(filters=labels.of_lab(lab))
    for network in found:
        try:
            network.remove()
        except NotFound:
            continue
    return len(found)
