"""Which machine is behind a name: names are labels, GPUs, machine-id and host keys are it. Pure."""

from itertools import combinations

from orchestrator.errors import PreflightError, SparkctlError
from orchestrator.facts.machine import Facts
from orchestrator.node.parallel import raise_all
from orchestrator.reconcile.journal import records
from orchestrator.resources.base import World
from orchestrator.resources.swarm import SwarmManager, SwarmMember
from orchestrator.spec.cluster import ClusterSpec


def refuse_one_machine_twice(world: World) -> None:
    """Raise PreflightError when two names lead to one machine."""
    for one, other in combinations(world.values(), 2):
        gpus = sorted({g.uuid for g in one.gpus} & {g.uuid for g in other.gpus})
        same = [*(f"GPU {uuid}" for uuid in gpus), *_same_of_the_system(one, other)]
        if gpus:
            raise PreflightError(
                f"{one.node} and {other.node} are one machine under two names",
                details="\n".join(f"both have {what}" for what in same),
                resolution="Take one of them out of the cluster file, or let its `ssh` lead to "
                "the machine that it is meant for.",
            )


def refuse_copies(world: World) -> None:
    """Raise PreflightError when two machines pass for one: the disk of one is a copy."""
    for one, other in combinations(world.values(), 2):
        if same := _same_of_the_system(one, other):
            raise PreflightError(
                f"{one.node} and {other.node} have the identity of one machine",
                details="\n".join(f"both have {what}" for what in same),
                resolution="If they are one machine, take one name out of the cluster file. If the "
                "disk of one was copied to the other, give the copy an identity of its own: "
                "`sudo rm -f /etc/machine-id /etc/ssh/ssh_host_*`, "
                "`sudo systemd-machine-id-setup`, `sudo ssh-keygen -A`, then reboot it.",
            )


def refuse_renamed(spec: ClusterSpec, world: World) -> None:
    """Raise PreflightError for machines that are in our swarm under another name.

    By names swarm nodes are labelled and runs are placed: `down` understands another, `up` not.
    """
    names = {name: former for name in world if (former := _former_name(spec, world[name]))}
    errors: dict[str, SparkctlError] = {}
    for name, former in names.items():
        swapped = names.get(former) == name
        errors[name] = PreflightError(
            f"the machine behind {name} calls itself {former} in its journal"
            + (", and the other way round: swapped?" if swapped else ": renamed?"),
            details=f"journal of {spec.name!r} there, swarm node {world[name].swarm_node_id}",
            resolution=f"Call this machine {former} again in the cluster file; its `ssh` may be "
            "any. Or, to rename it: `sparkctl cluster down` with this file gives it back "
            "under either name, and `sparkctl cluster up` takes it in anew.",
            node=name,
        )
    raise_all(errors)


def present_names(world: World) -> dict[str, str]:
    """What the managers of journals are called now, by their former names."""
    return {
        record.former: facts.node
        for facts in world.values()
        for record in records(facts)
        if record.former and isinstance(record.resource, SwarmManager)
    }


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
