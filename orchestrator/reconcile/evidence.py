"""Evidence that we changed a machine whose journal has no record of it, or cannot be read. Pure.

A journal may be lost: somebody deleted it, the disk was full when it was written. `down` must not
skip that silently, nor guess what was there before.
"""

from collections.abc import Mapping

from orchestrator.errors import JournalError, PreflightError
from orchestrator.facts.machine import Facts
from orchestrator.names import DAEMON_JSON, LABEL_CLUSTER, RUNTIME_CONFIG
from orchestrator.reconcile.journal import records, unreadable
from orchestrator.resources.base import Resource, World
from orchestrator.resources.daemon_json import DaemonJson
from orchestrator.resources.swarm import SwarmWorker, labels_of
from orchestrator.resources.swarm_resource import SwarmResource
from orchestrator.spec.cluster import ClusterSpec


def is_of_ours(spec: ClusterSpec, world: World, facts: Facts) -> bool:
    """Whether the swarm that a machine is in is this cluster's, by what other machines have."""
    if facts.swarm_state == "inactive":
        return False
    labelled = any(
        labels_of(other, facts.swarm_node_id).get(LABEL_CLUSTER) == spec.name
        for other in world.values()
    )
    return labelled or any(
        isinstance(record.resource, SwarmWorker)
        and record.cluster == spec.name
        and record.resource.manager == facts.node
        and record.resource.manager_address == facts.swarm.get("NodeAddr")
        for other in world.values()
        for record in records(other)
    )


def unexplained(spec: ClusterSpec, facts: Facts) -> list[str]:
    """What `down` leaves on a machine because nobody knows what was there before, in words."""
    if facts.journal:
        return [
            f"what {spec.paths.state}/journal/{file} is about stays: {why}"
            for file, why in unreadable(facts).items()
        ]
    world: Mapping[str, Facts] = {facts.node: facts}
    written: list[Resource] = [DaemonJson.on(facts, spec), SwarmResource.on(facts, spec)]
    try:
        if all(resource.observe(world) == resource.desired(world) for resource in written):
            files = f"{DAEMON_JSON} and {RUNTIME_CONFIG}"
            return [f"{files} say what sparkctl writes, and no journal records it: they stay"]
    except (ValueError, PreflightError):  # no JSON, a link: what we would not write is not ours
        pass
    return []


def left_unread(spec: ClusterSpec, world: World) -> JournalError | None:
    """The error for records that `down` could not read; None without any."""
    found = [(name, file, why) for name, f in world.items() for file, why in unreadable(f).items()]
    if not found:
        return None
    nodes = ", ".join(dict.fromkeys(name for name, _, _ in found))
    return JournalError(
        f"not everything was restored: {len(found)} journal records cannot be read, on {nodes}",
        details="\n".join(
            f"{n}: {spec.paths.state}/journal/{file}: {why}" for n, file, why in found
        ),
        resolution=advice_on(spec, found[0][1]),
        node=found[0][0] if len(found) == 1 else None,
    )


def advice_on(spec: ClusterSpec, file: str) -> str:
    """What to do about a record that cannot be read."""
    return (
        "If another version of sparkctl wrote it, use that one for `down`. Else look at what it is "
        "about (see its name), put that right by hand, and take the record away: "
        f"`sudo mv {spec.paths.state}/journal/{file} /root/`. Then run this again."
    )
