"""Which machine is which rank, and what that rank needs to know. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from orchestrator.errors import RunError
from orchestrator.facts.machine import Machine
from orchestrator.resources.fabric import fabric_ports
from orchestrator.spec.cluster import ClusterSpec, NodeSpec

if TYPE_CHECKING:  # checks name ranks, and those before `up` are of no stack
    from orchestrator.spec.script import Mount
    from orchestrator.spec.stack import StackSpec


@dataclass(frozen=True)
class Rank:
    """One rank on one machine. Rank 0 is the first node of the cluster file."""

    rank: int
    node: str
    swarm_node_id: str
    address: str
    """Fabric IPv4 address; rank 0's is where the process group meets."""
    interface: str
    rdma: tuple[str, ...]
    """RDMA devices of both twins of the fabric port; empty where there are none."""
    uid: str
    gid: str
    """Of the login user: nothing in a bind mount ends up owned by root."""
    runs: str
    cache: str
    """The part of the cache that is ours."""
    hub: str
    """The Hub's part of the user's Hugging Face cache."""
    data: str
    """The user's own; read only."""
    mounts: tuple[str, ...] = ()
    """Paths there of what the stack's script binds, in its order."""


def chosen_nodes(spec: ClusterSpec, stack: "StackSpec") -> list[NodeSpec]:
    """The machines that the stack runs on, in rank order."""
    if len(spec.members) < stack.nodes.min:
        raise RunError(
            f"{stack.name} needs {stack.nodes.min} nodes, the cluster {spec.name} has "
            f"{len(spec.members)}",
            resolution=f"Add machines to the cluster file, or take {_for_fewer(stack, spec)}",
        )
    return spec.members[: stack.nodes.max]


def _for_fewer(stack: "StackSpec", spec: ClusterSpec) -> str:
    """The shipped stacks of the same model that are content with the machines there are."""
    from orchestrator.spec.load import load_stack
    from orchestrator.spec.shipped import stack_names

    shipped = [load_stack(name) for name in stack_names()]
    fit = [one.name for one in shipped if one.nodes.min <= len(spec.members) and stack.training
           and one.training and one.training.model.name == stack.training.model.name]  # fmt: skip
    if fit:
        return f"one of the same model: {', '.join(fit)}."
    return "a stack for fewer of them: `sparkctl stacks list`."


def ranks_for(spec: ClusterSpec, stack: "StackSpec", world: Mapping[str, Machine]) -> list[Rank]:
    """Ranks on machines that were read."""
    ports = fabric_ports(spec, world)
    ranks = []
    for number, node in enumerate(chosen_nodes(spec, stack)):
        facts, port = world[node.name], ports[node.name]
        if facts.swarm_state != "active" or facts.swarm_node_id is None:
            raise RunError(
                f"{node.name} is not in the swarm",
                details=f"swarm state: {facts.swarm_state}",
                resolution="Run `sparkctl cluster up` first.",
                node=node.name,
            )
        ranks.append(
            Rank(
                rank=number,
                node=node.name,
                swarm_node_id=facts.swarm_node_id,
                address=port.address,
                interface=port.interface,
                rdma=port.rdma,
                uid=str(facts.uid),
                gid=str(facts.gid),
                runs=facts.expand(spec.paths.runs),
                cache=facts.expand(spec.paths.own_cache),
                hub=facts.expand(spec.paths.hub),
                data=facts.expand(spec.paths.data),
                mounts=tuple(facts.expand(bind.source) for bind in binds_of(stack)),
            )
        )
    return ranks


def binds_of(stack: "StackSpec") -> "list[Mount]":
    """What a script needs of the nodes, besides what every run has."""
    return stack.script.binds if stack.script else []


def placeholder_ranks(spec: ClusterSpec, stack: "StackSpec") -> list[Rank]:
    """Ranks on machines that were not read: what only they know is shown as `<node: what>`."""
    ranks = []
    for number, node in enumerate(chosen_nodes(spec, stack)):

        def unknown(what: str, name: str = node.name) -> str:
            return f"<{name}: {what}>"

        def path(value: str, home: str = unknown("home")) -> str:
            return home + value[1:] if value.startswith("~") else value

        interface = node.fabric.interface or spec.fabric.interface
        ranks.append(
            Rank(
                rank=number,
                node=node.name,
                swarm_node_id=unknown("swarm node ID"),
                address=str(node.fabric.address or unknown("fabric address")),
                interface=interface or unknown("fabric interface"),
                rdma=(unknown("RDMA devices"),),
                uid=unknown("uid"),
                gid=unknown("gid"),
                runs=path(spec.paths.runs),
                cache=path(spec.paths.own_cache),
                hub=path(spec.paths.hub),
                data=path(spec.paths.data),
                mounts=tuple(path(bind.source) for bind in binds_of(stack)),
            )
        )
    return ranks
