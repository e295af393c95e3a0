"""What a plan does to things in Docker that are not sparkctl's, by name. Pure.

A restart of Docker stops containers, and the end of our swarm takes with it whatever else was put
into it. Neither is what the plan is for, so neither is covered by a yes to the plan.
"""

from collections.abc import Iterable, Iterator

from orchestrator.facts.machine import Facts
from orchestrator.names import LABEL_CLUSTER
from orchestrator.reconcile.other import Other
from orchestrator.resources.base import Change, World
from orchestrator.resources.daemon_json import DaemonJson
from orchestrator.resources.stale_membership import StaleMembership
from orchestrator.resources.swarm import SwarmMember
from orchestrator.spec.cluster import ClusterSpec

_SWARM_ENDS = "gone for good, the swarm ends"
_RESTART = {
    "back": "stops, and comes back with Docker",
    "stopped": "stops, and stays stopped (docker start)",
    "gone": "gone for good, it is removed when it stops",
}


def others(spec: ClusterSpec, world: World, changes: Iterable[Change]) -> tuple[Other, ...]:
    """Everything of others that these changes end or stop."""
    found: dict[Other, None] = {}
    restarted, leaving = set(), set()
    for change in changes:
        if change.resource == DaemonJson.kind:
            restarted.add(change.node)
        elif _leaves(change):
            leaving.add(change.node)
    for name, facts in world.items():
        if name in leaving and facts.swarm.get("ControlAvailable"):
            found |= dict.fromkeys(_with_the_swarm(spec, world, facts))
        found |= dict.fromkeys(_with_docker(facts, name in restarted, name in leaving))
    return tuple(found)


def _leaves(change: Change) -> bool:
    before, after = change.before or {}, change.after or {}
    member = change.resource == SwarmMember.kind and before.get("role")
    return bool(member or change.resource == StaleMembership.kind) and not after.get("role")


def _with_the_swarm(spec: ClusterSpec, world: World, facts: Facts) -> Iterator[Other]:
    for one in facts.strangers:
        if one.kind not in ("container", "task"):
            yield Other(facts.node, one.kind, one.name, _SWARM_ENDS)
    known = {other.swarm_node_id for other in world.values()}
    for listed in facts.swarm_nodes:
        labels = listed["Spec"].get("Labels") or {}
        if labels.get(LABEL_CLUSTER) != spec.name and listed.get("ID") not in known:
            host = (listed.get("Description") or {}).get("Hostname") or listed.get("ID")
            fate = "loses its manager (on it: docker swarm leave)"
            yield Other(facts.node, "worker", str(host), fate)


def _with_docker(facts: Facts, restarted: bool, leaves: bool) -> Iterator[Other]:
    manages = bool(facts.swarm.get("ControlAvailable"))
    for one in facts.strangers:
        if one.kind == "container" and restarted:
            yield Other(facts.node, one.kind, one.name, _RESTART[one.restart])
        elif one.kind == "task" and leaves and not manages:  # else its service has been named
            yield Other(facts.node, one.kind, one.name, "ends here; its service may move")
        elif one.kind == "task" and restarted and not leaves:
            yield Other(facts.node, one.kind, one.name, _RESTART["back"])
