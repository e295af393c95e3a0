"""What can happen to a controller, or to a machine, while something is changed."""

from typing import Protocol

from orchestrator.lab.ready import wait_ready
from tests.lab.faults.controller import Controller
from tests.lab.machine import Machine


class Fault(Protocol):
    """Strikes once."""

    @property
    def name(self) -> str:
        """As the table calls it."""

    def strike(self, controller: Controller, machine: Machine) -> tuple[int, str]:
        """Let it happen, `machine` being the one that was worked on; how the controller ended."""

    def codes(self) -> set[int]:
        """Exit codes that a controller may end with."""


class Killed:
    """The controller is gone from one moment to the next."""

    name = "controller killed"

    def strike(self, controller: Controller, machine: Machine) -> tuple[int, str]:
        return controller.kill(), ""

    def codes(self) -> set[int]:
        return {-9}


class Cut:
    """The SSH connection ends: sshd's processes for it are killed."""

    name = "SSH connection cut"

    def strike(self, controller: Controller, machine: Machine) -> tuple[int, str]:
        machine.attempt("pkill", "-KILL", "-f", r"^sshd(-session)?: nvidia")
        return controller.go_on()

    def codes(self) -> set[int]:
        return {0, 4}  # 0: all that was left to do needed that connection no more


class PowerCut:
    """The machine is off from one moment to the next, and boots."""

    name = "machine without power"

    def strike(self, controller: Controller, machine: Machine) -> tuple[int, str]:
        machine.container.kill()
        ended = controller.go_on()
        machine.container.start()
        wait_ready(machine.container, machine.name)
        return ended

    def codes(self) -> set[int]:
        return {0, 4}


class Reboot(PowerCut):
    """The machine shuts down in order, and boots."""

    name = "machine rebooted"

    def strike(self, controller: Controller, machine: Machine) -> tuple[int, str]:
        machine.container.restart(timeout=20)
        wait_ready(machine.container, machine.name)
        return controller.go_on()

    def codes(self) -> set[int]:
        return {0, 4, 7}  # 7: a machine that shuts down refuses to restart Docker, and says so
