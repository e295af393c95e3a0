"""What says that we changed a machine whose journal does not say so, or cannot be read. Pure.

A journal may be lost: somebody deleted it, the disk was full when it was written. `down` must not
pass over that in silence, nor guess what was there before.
"""

from collections.abc import Iterable, Mapping

from orchestrator.errors import JournalError, PreflightError, SparkctlError
from orchestrator.facts.machine import Facts
from orchestrator.names import DAEMON_JSON, LABEL_CLUSTER, RUNTIME_CONFIG
from orchestrator.node.parallel import raise_all
from orchestrator.reconcile.journal import is_about, records, unreadable
from orchestrator.resources.base import Resource, World
from orchestrator.resources.daemon_json import DaemonJson
from orchestrator.resources.swarm import SwarmMember, SwarmWorker, labels_of
from orchestrator.resources.swarm_resource import SwarmResource
from orchestrator.spec.cluster import ClusterSpec


def is_of_ours(spec: ClusterSpec, world: World, facts: Facts) -> bool:
    """Whether the swarm that a machine is in is this cluster's, by what others say of it."""
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


def refuse_lost_journals(spec: ClusterSpec, world: World, names: Iterable[str]) -> None:
    """Raise PreflightError for those machines in our swarm whose journals know nothing of it."""
    errors: dict[str, SparkctlError] = {}
    for name, facts in ((name, world[name]) for name in names if name in world):
        known = any(isinstance(record.resource, SwarmMember) for record in records(facts))
        if known or unreadable(facts) or not is_of_ours(spec, world, facts):
            continue
        errors[name] = PreflightError(
            f"{name} is in the swarm of {spec.name!r}, and {spec.paths.state}/journal there does "
            "not say what was before",
            details="The journal was deleted, or the machine has another paths.state.",
            resolution=f"Put the folder back if there is a copy. Else give {name} back by hand: "
            f"`docker swarm leave --force`; take what is sparkctl's out of {DAEMON_JSON} "
            f"(runtimes.nvidia, default-runtime, node-generic-resources) and {RUNTIME_CONFIG} "
            "(swarm-resource); `systemctl restart docker`. Then run this again for the others.",
            node=name,
        )
    raise_all(errors)


def unexplained(spec: ClusterSpec, facts: Facts) -> list[str]:
    """What `down` leaves on a machine because nobody knows what was there before, in words."""
    if facts.journal:
        return [
            f"what {spec.paths.state}/journal/{file} is about stays: {why}"
            for file, why in unreadable(facts).items()
        ]
    world: Mapping[str, Facts] = {facts.node: facts}
    written: list[Resource] = [
        DaemonJson(facts.node, spec.gpu.kind, tuple(gpu.uuid for gpu in facts.gpus)),
        SwarmResource(facts.node, spec.gpu.resource_variable),
    ]
    try:
        if all(resource.observe(world) == resource.desired(world) for resource in written):
            files = f"{DAEMON_JSON} and {RUNTIME_CONFIG}"
            return [f"{files} say what sparkctl writes, and no journal says that it did: they stay"]
    except (ValueError, PreflightError):  # no JSON, a link: what we would not write is not ours
        pass
    return []


def refuse_unread(spec: ClusterSpec, world: World, changed: list[Resource]) -> None:
    """Raise PreflightError when the former state of what `up` is to change cannot be read.

    It would be lost for good: a record keeps its first original.
    """
    errors: dict[str, SparkctlError] = {}
    for name, facts in world.items():
        for file, why in unreadable(facts).items():
            if any(one.node == name and is_about(file, one) for one in changed):
                errors[name] = PreflightError(
                    f"the journal record {file} on {name} cannot be read, and may say how it was "
                    "before what is to be changed now",
                    details=f"{spec.paths.state}/journal/{file}: {why}",
                    resolution=_advice(spec, file),
                    node=name,
                )
    raise_all(errors)


def left_unread(spec: ClusterSpec, world: World) -> JournalError | None:
    """What `down` has to say at its end of records that it could not read; None without any."""
    found = [(name, file, why) for name, f in world.items() for file, why in unreadable(f).items()]
    if not found:
        return None
    nodes = ", ".join(dict.fromkeys(name for name, _, _ in found))
    return JournalError(
        f"not everything was given back: {len(found)} journal records cannot be read, on {nodes}",
        details="\n".join(
            f"{n}: {spec.paths.state}/journal/{file}: {why}" for n, file, why in found
        ),
        resolution=_advice(spec, found[0][1]),
        node=found[0][0] if len(found) == 1 else None,
    )


def _advice(spec: ClusterSpec, file: str) -> str:
    return (
        "If another version of sparkctl wrote it, use that one for `down`. Else look at what it is "
        "about (its name says it), put that right by hand, and take the record away: "
        f"`sudo mv {spec.paths.state}/journal/{file} /root/`. Then run this again."
    )
