"""Which address of a machine is on the fast link between the Sparks.

Detected and adopted, never configured here. What NVIDIA documents: one cable shows as two network
devices (`enp1s0f1np1` and its twin `enP2p1s0f1np1`, or `…f0np0` for the other port), each in a
subnet of its own. The swarm and the process group meet on one of them: in a subnet that all nodes
are in (`fabric_subnet.py`), as the two ends of a cable are. NCCL may use both twins.
"""

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass

from orchestrator.errors import PreflightError, SparkctlError
from orchestrator.facts.machine import Machine
from orchestrator.facts.network import Address
from orchestrator.node.parallel import raise_all
from orchestrator.resources.fabric_subnet import Candidate, ensure_distinct_addresses, in_one_subnet
from orchestrator.spec.addresses import is_link_local
from orchestrator.spec.cluster import ClusterSpec, NodeSpec

# Order of preference: port 1, then port 0, each with its first twin first.
_SPARK_PORTS = ("enp1s0f1np1", "enp1s0f0np0", "enP2p1s0f1np1", "enP2p1s0f0np0")
_ANY = f"any of {', '.join(_SPARK_PORTS)}"
_PORT = re.compile(r"f(\d)np\1$")


@dataclass(frozen=True)
class FabricPort:
    """One node's place on the fabric. RDMA devices are of both twins, where there are any."""

    interface: str
    address: str
    rdma: tuple[str, ...] = ()


def fabric_ports(spec: ClusterSpec, world: Mapping[str, Machine]) -> dict[str, FabricPort]:
    """The fabric port of every member that was read: all in one subnet.

    Raises PreflightError when one has none, when no subnet is common to all, or when two have the
    same address. Where the file names the address of every node, these may be in several subnets.
    """
    there = [node for node in spec.members if node.name in world]
    found = {node.name: _candidates(node, spec, world[node.name]) for node in there}
    if len(spec.members) == 1 and _wanted(spec.manager, spec) == _ANY and not any(found.values()):
        # A single Spark has no cable; loopback also survives a change of its Wi-Fi address.
        return dict.fromkeys(found, FabricPort("lo", "127.0.0.1"))
    none: dict[str, SparkctlError] = {
        node.name: _no_address(node, spec, world[node.name])
        for node in there
        if not found[node.name]
    }
    raise_all(none)
    if all(node.fabric.address is not None for node in there):
        chosen = {name: candidates[0] for name, candidates in found.items()}
    else:
        chosen = in_one_subnet(found)
    ensure_distinct_addresses(chosen)
    return {
        name: FabricPort(one.interface, str(one.ip.ip), _twins(one.interface, world[name].rdma))
        for name, one in chosen.items()
    }


def _candidates(node: NodeSpec, spec: ClusterSpec, facts: Machine) -> list[Candidate]:
    """Best first."""
    usable = [a for a in facts.addresses if a.carrier and not is_link_local(a.address)]
    found = [_candidate(a, facts) for a in usable if _is_wanted(a, node, spec)]
    return sorted(found, key=lambda one: one.rank)


def _candidate(address: Address, facts: Machine) -> Candidate:
    """What a swarm stands on stays, also when fewer nodes are looked at."""
    ip = ipaddress.IPv4Interface(f"{address.address}/{address.prefix}")
    in_use = address.address == facts.swarm.get("NodeAddr")
    known = address.interface in _SPARK_PORTS
    port = _SPARK_PORTS.index(address.interface) if known else len(_SPARK_PORTS)
    return Candidate(address.interface, ip, (not in_use, port))


def _is_wanted(address: Address, node: NodeSpec, spec: ClusterSpec) -> bool:
    if node.fabric.address is not None:
        return address.address == str(node.fabric.address)
    interface = node.fabric.interface or spec.fabric.interface
    if interface is not None:
        return address.interface == interface
    if spec.fabric.subnet is not None:
        return ipaddress.ip_address(address.address) in spec.fabric.subnet
    return address.interface in _SPARK_PORTS


def _no_address(node: NodeSpec, spec: ClusterSpec, facts: Machine) -> PreflightError:
    have = ", ".join(
        f"{a.interface} {a.address}/{a.prefix}{'' if a.carrier else ' (no carrier)'}"
        for a in facts.addresses
    )
    return PreflightError(
        f"{node.name} has no usable address on {_wanted(node, spec)}",
        details=f"addresses there: {have or 'none'}",
        resolution="No carrier: is the cable in, the other machine on? Else give the "
        "ConnectX ports static addresses (NVIDIA Sync or netplan; one "
        "subnet per port), or name the link in the cluster file: fabric: {interface: …}. "
        "Link-local addresses (169.254.…) are refused: when one vanishes, Docker no longer "
        "starts.",
        node=node.name,
    )


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
