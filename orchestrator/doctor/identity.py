"""Which machine is behind a name: names are labels, GPUs, machine-id and host keys are it."""

from collections.abc import Iterator
from itertools import combinations

from orchestrator.doctor.check import OfCluster, Problem
from orchestrator.facts.machine import Facts
from orchestrator.reconcile.journal import records
from orchestrator.resources.base import World
from orchestrator.resources.swarm import SwarmMember
from orchestrator.spec.cluster import ClusterSpec

Found = Iterator[tuple[str | None, Problem]]


@OfCluster.about(
    "identity",
    before=("up", "down"),
    order=100,
    why="Two names that lead to one machine: it would be set up, or restored, twice at a time.",
    fix="Take one of them out of the cluster file, or let its `ssh` lead to the machine that it is "
    "meant for.",
)
def names_are_of_different_machines(spec: ClusterSpec, world: World) -> Found:
    """Told of the first two."""
    for one, other in combinations(world.values(), 2):
        gpus = sorted({g.uuid for g in one.gpus} & {g.uuid for g in other.gpus})
        same = [*(f"GPU {uuid}" for uuid in gpus), *_same_of_the_system(one, other)]
        if gpus:
            message = f"{one.node} and {other.node} are one machine under two names"
            yield None, Problem(message, "\n".join(f"both have {what}" for what in same))
            return


@OfCluster.about(
    "identity",
    before=("up",),
    order=110,
    why="The disk of one machine is a copy of another's: what is known of one is reported of both.",
    fix="If they are one machine, take one name out of the cluster file. If the disk of one was "
    "copied to the other, give the copy an identity of its own: "
    "`sudo rm -f /etc/machine-id /etc/ssh/ssh_host_*`, "
    "`sudo systemd-machine-id-setup`, `sudo ssh-keygen -A`, then reboot it.",
)
def no_disk_is_a_copy(spec: ClusterSpec, world: World) -> Found:
    """Told of the first two."""
    for one, other in combinations(world.values(), 2):
        if same := _same_of_the_system(one, other):
            message = f"{one.node} and {other.node} have the identity of one machine"
            yield None, Problem(message, "\n".join(f"both have {what}" for what in same))
            return


@OfCluster.about(
    "identity",
    before=("up",),
    order=120,
    why="Swarm nodes are labelled and runs are placed by name; `down` understands another, `up` "
    "does not.",
    fix="Call the machine in the cluster file what it was called before; to rename it, `sparkctl "
    "cluster down`, then `sparkctl cluster up`.",
)
def names_are_those_of_before(spec: ClusterSpec, world: World) -> Found:
    """Machines that are in our swarm under another name."""
    names = {name: former for name in world if (former := _former_name(spec, world[name]))}
    for name, former in names.items():
        swapped = names.get(former) == name
        yield (
            name,
            Problem(
                f"the machine behind {name} calls itself {former} in its journal"
                + (", and the other way round: swapped?" if swapped else ": renamed?"),
                f"journal of {spec.name!r} there, swarm node {world[name].swarm_node_id}",
                f"Call this machine {former} again in the cluster file; its `ssh` may be "
                "any. Or, to rename it: `sparkctl cluster down` with this file restores it "
                "under either name, and `sparkctl cluster up` adds it again.",
            ),
        )


def _former_name(spec: ClusterSpec, facts: Facts) -> str | None:
    for record in records(facts):
        if record.cluster == spec.name and isinstance(record.resource, SwarmMember):
            return record.former
    return None


def _same_of_the_system(one: Facts, other: Facts) -> list[str]:
    machine_id = {one.machine_id} & {other.machine_id} - {""}
    return [
        *(f"machine-id {value}" for value in machine_id),
        *(f"host key {value}" for value in sorted(one.host_keys & other.host_keys)),
    ]
