"""Which address of a machine is on the fast link between the Sparks.

Detected and adopted, never configured here. What NVIDIA documents: one cable shows as two network
devices (`enp1s0f1np1` and its twin `enP2p1s0f1np1`, or `…f0np0` for the other port), each in a
subnet of its own. The swarm and the process group meet on the first one; NCCL may use both twins.
"""

import ipaddress
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from orchestrator.errors import PreflightError, SparkctlError
from orchestrator.node.facts import Address, Machine
from orchestrator.node.parallel import raise_all
from orchestrator.spec.cluster import ClusterSpec, NodeSpec, is_link_local

# Order of preference: port 1, then port 0, each with its first twin first.
_SPARK_PORTS = ("enp1s0f1np1", "enp1s0f0np0", "enP2p1s0f1np1", "enP2p1s0f0np0")
_ANY = f"any of {', '.join(_SPARK_PORTS)} in a subnet that all nodes share"
_PORT = re.compile(r"f(\d)np\1$")

Addresses = tuple[ipaddress.IPv4Address | ipaddress.IPv6Address, ...]
"""Of one machine."""


@dataclass(frozen=True)
class FabricPort:
    """One node's place on the fabric. RDMA devices are of both twins, where there are any."""

    interface: str
    address: str
    rdma: tuple[str, ...] = ()


def fabric_ports(spec: ClusterSpec, world: Mapping[str, Machine]) -> dict[str, FabricPort]:
    """The fabric port of every member that was read. Raises PreflightError when one has none."""
    ports: dict[str, FabricPort] = {}
    errors: dict[str, SparkctlError] = {}
    there = [node for node in spec.members if node.name in world]
    everywhere = [_addresses(world[node.name]) for node in there]
    for node in there:
        try:
            ports[node.name] = _port(node, spec, world[node.name], everywhere)
        except PreflightError as error:
            errors[node.name] = error
    raise_all(errors)
    return ports


def _port(
    node: NodeSpec, spec: ClusterSpec, facts: Machine, everywhere: Sequence[Addresses]
) -> FabricPort:
    """`everywhere`: the addresses of every machine."""
    found = _candidates(node, spec, facts, everywhere)
    detecting = _wanted(node, spec) == _ANY
    if not found and detecting and len(spec.members) == 1:
        # A single Spark has no cable; loopback also survives a change of its Wi-Fi address.
        return FabricPort("lo", "127.0.0.1")
    if not found:
        have = ", ".join(f"{a.interface} {a.address}/{a.prefix}" for a in facts.addresses)
        raise PreflightError(
            f"{node.name} has no usable address on {_wanted(node, spec)}",
            details=f"addresses there: {have or 'none'}",
            resolution="Give the ConnectX ports static addresses (NVIDIA Sync or netplan; one "
            "subnet per port), or name the link in the cluster file: fabric: {interface: …}. "
            "Link-local addresses (169.254.…) are refused: when one vanishes, Docker no longer "
            "starts.",
            node=node.name,
        )
    best = found[0]
    return FabricPort(best.interface, best.address, _twins(best.interface, facts.rdma))


def _candidates(
    node: NodeSpec, spec: ClusterSpec, facts: Machine, everywhere: Sequence[Addresses]
) -> list[Address]:
    usable = [a for a in facts.addresses if not is_link_local(a.address)]
    if node.fabric.address is not None:
        return [a for a in usable if a.address == str(node.fabric.address)]
    interface = node.fabric.interface or spec.fabric.interface
    if interface is not None:
        return [a for a in usable if a.interface == interface]
    if spec.fabric.subnet is not None:
        return [a for a in usable if ipaddress.ip_address(a.address) in spec.fabric.subnet]
    on_ports = sorted(
        (a for a in usable if a.interface in _SPARK_PORTS),
        key=lambda a: _SPARK_PORTS.index(a.interface),
    )
    return [a for a in on_ports if _shared(a, everywhere)]


def _addresses(facts: Machine) -> Addresses:
    return tuple(ipaddress.ip_address(a.address) for a in facts.addresses)


def _shared(address: Address, everywhere: Sequence[Addresses]) -> bool:
    """Whether every machine has an address in the same subnet."""
    network = ipaddress.ip_interface(f"{address.address}/{address.prefix}").network
    return all(any(other in network for other in machine) for machine in everywhere)


def _wanted(node: NodeSpec, spec: ClusterSpec) -> str:
    if node.fabric.address is not None:
        return str(node.fabric.address)
    interface = node.fabric.interface or spec.fabric.interface
    if interface is not None:
        return f"interface {interface}"
    if spec.fabric.subnet is not None:
        return f"subnet {spec.fabric.subnet}"
    return _ANY


def _twins(interface: str, rdma: Mapping[str, str]) -> tuple[str, ...]:
    """The RDMA devices of the physical port that the interface belongs to."""
    port = _PORT.search(interface)
    if port is None:
        return tuple(d for i, d in rdma.items() if i == interface)
    return tuple(sorted(d for i, d in rdma.items() if i.endswith(port[0])))
