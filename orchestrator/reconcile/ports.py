"""The ports that Swarm needs between machines, asked before one joins."""

from collections.abc import Mapping

from orchestrator.errors import PreflightError
from orchestrator.node.node import Node
from orchestrator.node.parallel import on_each, raise_all
from orchestrator.node.reach import Door, blocked_script, shut
from orchestrator.reconcile.plan import Plan
from orchestrator.resources.base import World
from orchestrator.resources.swarm import PORT, SwarmWorker

_GOSSIP = (
    7946  # tcp and udp, between all nodes; 4789 is of overlay networks, which runs have none of
)


def refuse_blocked(plan: Plan, world: World, nodes: Mapping[str, Node]) -> None:
    """One round trip to the machines that a plan joins, and their managers; none for others.

    Raises PreflightError for every machine from which a port of another cannot be reached.
    """
    asked = _asked(plan, world)
    said = on_each(asked, lambda name: nodes[name].script(blocked_script(asked[name])))
    raise_all(
        {name: _blocked(name, doors) for name in asked if (doors := shut(said[name], asked[name]))}
    )


def _asked(plan: Plan, world: World) -> dict[str, tuple[Door, ...]]:
    """By the machine that asks. One in a swarm already listens to udp, and would say nothing."""
    asked: dict[str, list[Door]] = {}
    for step in plan.steps:
        worker = step.resource
        if not isinstance(worker, SwarmWorker) or step.change.action != "create":
            continue
        to_manager = asked.setdefault(worker.node, [])
        to_manager += [Door("tcp", worker.manager_address, port) for port in (PORT, _GOSSIP)]
        to_worker = asked.setdefault(worker.manager, [])
        to_worker.append(Door("tcp", worker.address, _GOSSIP))
        if world[worker.manager].swarm_state == "inactive":
            to_manager.append(Door("udp", worker.manager_address, _GOSSIP))
        if world[worker.node].swarm_state == "inactive":
            to_worker.append(Door("udp", worker.address, _GOSSIP))
    return {name: tuple(doors) for name, doors in asked.items()}


def _blocked(name: str, doors: tuple[Door, ...]) -> PreflightError:
    return PreflightError(
        f"{name} gets no answer from ports that Swarm needs",
        details="\n".join(f"{door.protocol} {door.address}:{door.port}" for door in doors),
        resolution="A firewall on the other machine, or in between, drops it. Let the fabric's "
        f"network in there, tcp {PORT}, tcp and udp {_GOSSIP}, and 29500 to 29501 for runs: for "
        "example `sudo ufw allow in on INTERFACE`.",
        node=name,
    )
