"""The journal: this cluster's, there, and readable where it has to be."""

from collections.abc import Iterable, Iterator

from orchestrator.doctor.check import OfCluster, OfMachine, Problem
from orchestrator.facts.machine import Facts
from orchestrator.names import DAEMON_JSON, RUNTIME_CONFIG
from orchestrator.reconcile.evidence import advice_on, is_of_ours
from orchestrator.reconcile.journal import is_about, records, unreadable
from orchestrator.reconcile.plan import plan_up
from orchestrator.resources.base import World
from orchestrator.resources.swarm import SwarmMember
from orchestrator.spec.cluster import ClusterSpec

Found = Iterator[tuple[str | None, Problem]]


@OfMachine.about(
    "journal",
    before=("up", "down"),
    order=260,
    why="Only the journal on the machine knows its original state, and each record is one "
    "cluster's.",
    fix="Restore it first: `sparkctl cluster down` with the file of that cluster.",
)
def journal_is_of_this_cluster(facts: Facts, spec: ClusterSpec) -> Iterator[Problem]:
    """Folders that a former cluster has kept do no harm."""
    others = [r for r in records(facts) if not r.resource.apart]
    foreign = sorted({r.cluster for r in others} - {spec.name})
    if foreign:
        yield Problem(
            f"{facts.node} belongs to the cluster {foreign[0]!r}, not to {spec.name!r}",
            fix=f"Restore it first: `sparkctl cluster down` with the file of "
            f"{foreign[0]!r}, or with a copy of this one that has `name: {foreign[0]}`. Only the "
            "journal on the machine knows its original state.",
        )


_LOST = "A machine in this swarm whose journal has no record of it: the state before is not known."
_BY_HAND = "Put the folder back if there is a copy. Else restore the machine by hand."


@OfCluster.about("journal", before=("up",), order=500, why=_LOST, fix=_BY_HAND)
def journal_of_a_machine_that_leaves_is_there(spec: ClusterSpec, world: World) -> Found:
    """Check machines with `state: absent`."""
    return _lost(spec, world, [node.name for node in spec.nodes if node.state == "absent"])


@OfCluster.about("journal", before=("down",), order=500, why=_LOST, fix=_BY_HAND)
def journal_is_there(spec: ClusterSpec, world: World) -> Found:
    """Check all machines."""
    return _lost(spec, world, [node.name for node in spec.nodes])


def _lost(spec: ClusterSpec, world: World, names: Iterable[str]) -> Found:
    for name, facts in ((name, world[name]) for name in names if name in world):
        known = any(isinstance(record.resource, SwarmMember) for record in records(facts))
        if known or unreadable(facts) or not is_of_ours(spec, world, facts):
            continue
        yield (
            name,
            Problem(
                f"{name} is in the swarm of {spec.name!r}, and {spec.paths.state}/journal there "
                "has no record of the state before",
                "The journal was deleted, or the machine has another paths.state.",
                f"Put the folder back if there is a copy. Else restore {name} by hand: "
                f"`docker swarm leave --force`; take what is sparkctl's out of {DAEMON_JSON} "
                f"(runtimes.nvidia, default-runtime, node-generic-resources) and {RUNTIME_CONFIG} "
                "(swarm-resource); `systemctl restart docker`. Then run this again for the others.",
            ),
        )


@OfCluster.about(
    "journal",
    before=("up",),
    order=600,
    why="The former state of what is to be changed would be lost: a record keeps its first "
    "original.",
    fix="Use the version of sparkctl that wrote it for `down`; else put right what it is about, "
    "and take the record away.",
)
def records_of_what_changes_can_be_read(spec: ClusterSpec, world: World) -> Found:
    """Others may stay unread."""
    changed = [step.resource for step in plan_up(spec, world).steps if step.journaled]
    for name, facts in world.items():
        for file, why in unreadable(facts).items():
            if any(one.node == name and is_about(file, one) for one in changed):
                yield (
                    name,
                    Problem(
                        f"the journal record {file} on {name} cannot be read, and may hold the "
                        "original of what is to be changed now",
                        f"{spec.paths.state}/journal/{file}: {why}",
                        advice_on(spec, file),
                    ),
                )
