"""Which machine is behind a name: names are labels, GPUs, machine-id and host keys are it. Pure."""

from itertools import combinations

from orchestrator.errors import PreflightError
from orchestrator.node.facts import Facts
from orchestrator.resources.base import World


def refuse_one_machine_twice(world: World) -> None:
    """Raise PreflightError when two names lead to one machine, or to two that pass for one."""
    for one, other in combinations(world.values(), 2):
        names = f"{one.node} and {other.node}"
        gpus = sorted({g.uuid for g in one.gpus} & {g.uuid for g in other.gpus})
        same = [*(f"GPU {uuid}" for uuid in gpus), *_same_of_the_system(one, other)]
        if gpus:
            raise PreflightError(
                f"{names} are one machine under two names",
                details="\n".join(f"both have {what}" for what in same),
                resolution="Take one of them out of the cluster file, or let its `ssh` lead to "
                "the machine that it is meant for.",
            )
        if same:
            raise PreflightError(
                f"{names} have the identity of one machine",
                details="\n".join(f"both have {what}" for what in same),
                resolution="If they are one machine, take one name out of the cluster file. If the "
                "disk of one was copied to the other, give the copy an identity of its own: "
                "`sudo rm -f /etc/machine-id /etc/ssh/ssh_host_*`, "
                "`sudo systemd-machine-id-setup`, `sudo ssh-keygen -A`, then reboot it.",
            )


def _same_of_the_system(one: Facts, other: Facts) -> list[str]:
    machine_id = {one.machine_id} & {other.machine_id} - {""}
    return [
        *(f"machine-id {value}" for value in machine_id),
        *(f"host key {value}" for value in sorted(one.host_keys & other.host_keys)),
    ]
