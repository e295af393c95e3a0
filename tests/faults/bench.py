"""A lab on which commands are struck, and what of it must be as before afterwards."""

from dataclasses import dataclass

from orchestrator.lab.wait import until
from orchestrator.names import LOCK_FOLDER
from orchestrator.resources.docker_restart import UNIT
from tests.lab.machine import Machine, snapshot
from tests.lab.sparkctl import Sparkctl

LOCK = f"{LOCK_FOLDER}/lock"

QUIET_SECONDS = 120
"""Seconds until what a dead controller began on a machine must have ended."""

# Its SSH sessions, the scripts that go on without them, and the unit that restarts Docker.
_AT_REST = f"""\
! pgrep -f '^sshd(-session)?: nvidia|^(sudo .*)?sh -s$|^docker system dial-stdio' &&
! systemctl --quiet is-active {UNIT}
"""


@dataclass(frozen=True)
class Bench:
    """Two machines, and how they were found."""

    machines: dict[str, Machine]
    sparkctl: Sparkctl
    original: dict[str, str]

    def changed(self) -> str:
        """What is not as it was found, line by line; empty when nothing is."""
        lines = []
        for name, machine in self.machines.items():
            was, now = self.original[name].splitlines(), snapshot(machine).splitlines()
            lines += [f"{name} - {line}" for line in was if line not in now]
            lines += [f"{name} + {line}" for line in now if line not in was]
        return "\n".join(lines)

    def a_minute_later(self) -> None:
        """What the dead controller began has ended, and its locks are stale."""
        for machine in self.machines.values():
            until(
                lambda m=machine: m.attempt("sh", "-c", _AT_REST)[0] == 0,  # type: ignore[misc]
                what=f"end of the controller's work on {machine.name}",
                deadline_seconds=QUIET_SECONDS,
            )
            machine.attempt("touch", "-c", "-d", "2 minutes ago", LOCK, f"{LOCK}/owner")


def bench(machines: dict[str, Machine], sparkctl: Sparkctl) -> Bench:
    """Remember the machines as they are; the first use of sudo leaves marks of its own."""
    sparkctl("cluster", "plan")
    return Bench(machines, sparkctl, {name: snapshot(m) for name, m in machines.items()})
