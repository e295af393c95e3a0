"""What is wrong with the swarm memberships of the machines, and what `--repair` may repair. Pure.

A swarm is ours when this cluster's journal on the machine has that we made it and its identity
agrees (`SwarmMember.made_by_us`). Any other is left alone, whatever state it is in.
"""

from dataclasses import dataclass

from orchestrator.facts.machine import Facts
from orchestrator.reconcile.evidence import is_of_ours
from orchestrator.reconcile.journal import records, unreadable
from orchestrator.resources.base import World
from orchestrator.resources.fabric import fabric_ports
from orchestrator.resources.swarm import SwarmMember
from orchestrator.spec.cluster import ClusterSpec

_AGAIN = "`sparkctl cluster down`, then `sparkctl cluster up`."
_REPAIR = "`sparkctl cluster up --repair` takes it out of that swarm and into the right one."


@dataclass(frozen=True)
class MembershipProblem:
    """One node's membership, which `up` cannot build upon."""

    brief: str
    details: str | None = None
    resolution: str = _REPAIR
    repairable: bool = True


def membership_problems(spec: ClusterSpec, world: World) -> dict[str, MembershipProblem]:
    """The first problem of each node that has one."""
    found: dict[str, MembershipProblem] = {}
    for node in spec.members:
        if node.name in world and (problem := _alone(spec, world, world[node.name])):
            found[node.name] = problem
    manager = spec.manager.name
    if manager in world and manager not in found:
        found |= _together(spec, world, world[manager], [n for n in world if n not in found])
    return found


def member_of(spec: ClusterSpec, facts: Facts) -> SwarmMember | None:
    """The membership that this cluster's journal knows of, whether it is still there or not."""
    for record in records(facts):
        if record.cluster == spec.name and isinstance(record.resource, SwarmMember):
            return record.resource
    return None


def _alone(spec: ClusterSpec, world: World, facts: Facts) -> MembershipProblem | None:
    """What can be seen on the machine itself."""
    if facts.swarm_state == "inactive":
        return None
    member = member_of(spec, facts)
    if member is None and is_of_ours(spec, world, facts):
        return MembershipProblem(
            f"{facts.node} is in the swarm of {spec.name!r}, and its journal has no record of it",
            "\n".join(f"{file}: {why}" for file, why in unreadable(facts).items()) or None,
            "What was there before is not known: `sparkctl cluster down` shows what to do.",
            repairable=False,
        )
    if member is None or not member.made_by_us(world):
        return MembershipProblem(
            f"{facts.node} is already in a swarm that sparkctl did not make",
            f"swarm state {facts.swarm_state}, node ID {facts.swarm_node_id}",
            "If nobody needs it: `docker swarm leave --force` there. It is never forced from here.",
            repairable=False,
        )
    why = str(facts.swarm.get("Error") or "")
    if facts.swarm_state == "pending":
        return MembershipProblem(
            f"{facts.node} has not got into its swarm: it is in state 'pending'",
            why or "Its manager does not answer, or the join that timed out is still running.",
            f"If the manager was just away, wait for it and run this again. Else: {_REPAIR}",
        )
    if facts.swarm_state != "active":
        return MembershipProblem(
            f"the swarm on {facts.node} is in state {facts.swarm_state!r}", why or None
        )
    return None


def _together(
    spec: ClusterSpec, world: World, manager: Facts, others: list[str]
) -> dict[str, MembershipProblem]:
    """What can be seen only beside the manager."""
    addresses = {name: port.address for name, port in fabric_ports(spec, world).items()}
    if manager.swarm_state == "active" and (problem := _manager(manager, addresses)):
        found = {manager.node: problem}
        if problem.repairable:  # a swarm ends with its manager
            found |= {
                name: _new_swarm(name, manager)
                for name in others
                if name != manager.node and _active(world, name)
            }
        return found
    return {
        name: problem
        for name in others
        if name in addresses and name != manager.node and _active(world, name)
        if (problem := _worker(world[name], manager, addresses[name]))
    }


def _active(world: World, name: str) -> bool:
    return world[name].swarm_state == "active"


def _manager(facts: Facts, addresses: dict[str, str]) -> MembershipProblem | None:
    if not facts.swarm.get("ControlAvailable"):
        return MembershipProblem(
            f"{facts.node} is first in the cluster file, but a worker in its swarm",
            resolution=f"Put its manager first again, or {_AGAIN}",
            repairable=False,
        )
    return _moved(facts, addresses[facts.node])


def _worker(facts: Facts, manager: Facts, address: str) -> MembershipProblem | None:
    members = {node.get("ID") for node in manager.swarm_nodes}
    if facts.swarm_node_id not in members:
        return _other_swarm(facts, manager)
    if facts.swarm.get("ControlAvailable"):
        return _promoted(facts, manager)
    return _moved(facts, address)


def _other_swarm(facts: Facts, manager: Facts) -> MembershipProblem:
    return MembershipProblem(
        f"{facts.node} is in another swarm than {manager.node}",
        f"node ID {facts.swarm_node_id} is not known to {manager.node}",
    )


def _promoted(facts: Facts, manager: Facts) -> MembershipProblem:
    return MembershipProblem(
        f"{facts.node} has been made a second manager of the swarm",
        resolution=f"On {manager.node}: docker node demote {facts.swarm_node_id}. Or: {_REPAIR}",
    )


def _moved(facts: Facts, address: str) -> MembershipProblem | None:
    stands_on = facts.swarm.get("NodeAddr")
    if stands_on == address:
        return None
    return MembershipProblem(
        f"the swarm on {facts.node} stands on {stands_on}, its fabric address is now {address}",
        "Docker cannot move a node of a swarm to another address.",
    )


def _new_swarm(name: str, manager: Facts) -> MembershipProblem:
    return MembershipProblem(
        f"{name} is in the swarm of {manager.node}, which has to be created again"
    )
