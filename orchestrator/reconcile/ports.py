"""The ports that Swarm needs between machines, asked before one joins."""

from collections.abc import Mapping
from dataclasses import replace

from orchestrator.errors import PreflightError
from orchestrator.node.node import Node
from orchestrator.node.parallel import on_each, raise_all
from orchestrator.node.reach import Door, blocked_script, shut
from orchestrator.reconcile.plan import Plan
from orchestrator.resources.base import World
from orchestrator.resources.swarm import PORT, SwarmWorker

# tcp and udp, between all nodes. 4789 is of overlay networks, which runs have none of.
_GOSSIP = 7946


def with_ports_asked(plan: Plan, world: World, nodes: Mapping[str, Node]) -> Plan:
    """One round trip to the machines that a plan joins, and their managers; none for others.

    Raises PreflightError for every machine from which a tcp port of another cannot be reached.
    Silence of udp becomes advice: who keeps ICMP back may let the packet through.
    """
    asked = doors(plan, world)
    outputs = on_each(asked, lambda name: nodes[name].script(blocked_script(asked[name])))
    closed = {name: shut(outputs[name], asked[name]) for name in asked}
    refused = {name: [d for d in found if d.protocol == "tcp"] for name, found in closed.items()}
    raise_all({name: _blocked(name, closed[name]) for name, found in refused.items() if found})
    silent = [
        f"{name}: no answer from udp {door.address}:{door.port}, which Swarm needs: a firewall?"
        for name, found in closed.items()
        for door in found
    ]
    return replace(plan, advice=(*plan.advice, *silent))


def doors(plan: Plan, world: World) -> dict[str, tuple[Door, ...]]:
    """By the machine that asks. One in a swarm already listens to udp, and would not answer."""
    asked: dict[str, list[Door]] = {}
    for step in plan.steps:
        worker, before, after = step.resource, step.change.before, step.change.after
        if not isinstance(worker, SwarmWorker) or not (after or {}).get("role"):
            continue
        if (before or {}).get("role"):
            continue  # in the swarm, and only to be labelled
        to_manager = asked.setdefault(worker.node, [])
        to_manager += [Door("tcp", worker.manager_address, port) for port in (PORT, _GOSSIP)]
        to_worker = asked.setdefault(worker.manager, [])
        to_worker += [Door("tcp", worker.address, _GOSSIP), Door("udp", worker.address, _GOSSIP)]
        if world[worker.manager].swarm_state == "inactive":
            to_manager.append(Door("udp", worker.manager_address, _GOSSIP))
    return {name: tuple(found) for name, found in asked.items()}


def _blocked(name: str, found: tuple[Door, ...]) -> PreflightError:
    return PreflightError(
        f"{name} gets no answer from ports that Swarm needs",
        details="\n".join(f"{door.protocol} {door.address}:{door.port}" for door in found),
        resolution="A firewall on the other machine, or in between, drops it. Let the fabric's "
        f"network in there, tcp {PORT}, tcp and udp {_GOSSIP}, and 29500 to 29501 for runs: for "
        "example `sudo ufw allow in on INTERFACE`.",
        node=name,
    )
