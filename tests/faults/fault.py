"""What can happen to a controller, or to a machine, while something is changed."""

from dataclasses import dataclass
from typing import Literal

from orchestrator.lab.ready import wait_ready
from tests.faults.controller import Controller
from tests.lab.machine import Machine

Command = Literal["up", "down"]


@dataclass(frozen=True)
class Fault:
    """Strikes once; `codes` are the exit codes that a struck controller may end with."""

    name: str
    codes: frozenset[int]

    def ends(self, command: Command) -> frozenset[int]:
        """How this command may end."""
        return self.codes

    def prepare(self, machine: Machine) -> None:
        """Before the command."""

    def strike(self, controller: Controller, machine: Machine) -> tuple[int, str]:
        """At the point, on the machine that is worked on; how the controller ended."""
        raise NotImplementedError

    def bars(self, way: Command) -> bool:
        """Whether it must be repaired before the way can be gone."""
        return False

    def repair(self, machine: Machine) -> None:
        """Before the way when it bars it, else after it."""


class Killed(Fault):
    """The controller is gone from one moment to the next."""

    def strike(self, controller: Controller, machine: Machine) -> tuple[int, str]:
        return controller.kill(), ""


class Cut(Fault):
    """The SSH connection ends: sshd's processes for it are killed."""

    def strike(self, controller: Controller, machine: Machine) -> tuple[int, str]:
        machine.attempt("pkill", "-KILL", "-f", r"^sshd(-session)?: nvidia")
        return controller.go_on()


class PowerCut(Fault):
    """The machine is off from one moment to the next, and boots."""

    def strike(self, controller: Controller, machine: Machine) -> tuple[int, str]:
        machine.container.kill()
        ended = controller.go_on()
        machine.container.start()
        wait_ready(machine.container, machine.name)
        return ended


class Reboot(Fault):
    """The machine shuts down in order, and boots."""

    def strike(self, controller: Controller, machine: Machine) -> tuple[int, str]:
        machine.container.restart(timeout=20)
        wait_ready(machine.container, machine.name)
        return controller.go_on()


class FullDisk(Fault):
    """The journal's folder is a disk of its own, and gets full; `down` only removes."""

    def ends(self, command: Command) -> frozenset[int]:
        return self.codes if command == "up" else frozenset({0})

    def prepare(self, machine: Machine) -> None:
        machine.run("sh", "-c", _MOUNT)

    def strike(self, controller: Controller, machine: Machine) -> tuple[int, str]:
        code, _ = machine.attempt("sh", "-c", "cat /dev/zero >/var/lib/sparkctl/filling")
        assert code != 0, "the disk is not full"
        return controller.go_on()

    def bars(self, way: Command) -> bool:
        return way == "up"

    def repair(self, machine: Machine) -> None:
        machine.run("sh", "-c", _UNMOUNT)


class ReadOnly(Fault):
    """/etc/docker cannot be written any more."""

    def strike(self, controller: Controller, machine: Machine) -> tuple[int, str]:
        machine.run("sh", "-c", "mount --bind /etc/docker /etc/docker")
        machine.run("sh", "-c", "mount -o remount,ro,bind /etc/docker")
        return controller.go_on()

    def bars(self, way: Command) -> bool:
        return True

    def repair(self, machine: Machine) -> None:
        machine.run("umount", "/etc/docker")


# What is in the folder stays in it, as if it had always been a disk, or had never been one.
_KEEP = """\
set -e
disk=/var/lib/sparkctl kept=$(mktemp -d)
mkdir -p $disk
cp -a $disk/. $kept
"""
_BACK = """\
cp -a $kept/. $disk
rm -rf $kept
"""
_MOUNT = f"{_KEEP}rm -rf $disk/*\nmount -t tmpfs -o size=128k,mode=755 tmpfs $disk\n{_BACK}"
_UNMOUNT = f"""\
rm -f /var/lib/sparkctl/filling
{_KEEP}umount $disk
{_BACK}rmdir $disk 2>/dev/null || :
"""
