"""One trial: a command is struck at a point, and one of the two ways leads out of it."""

import subprocess
import time
from dataclasses import dataclass

from orchestrator.errors import LabError
from tests.faults.bench import Bench
from tests.faults.controller import stopped
from tests.faults.fault import Command, Fault
from tests.faults.point import Point


@dataclass(frozen=True)
class Trial:
    """`command` is struck at `point` by `fault`; then `way` is run to its end."""

    fault: Fault
    command: Command
    point: Point
    way: Command

    def __str__(self) -> str:
        return f"{self.command}, {self.fault.name} {self.point}, then {self.way}"


@dataclass(frozen=True)
class Outcome:
    """What came of a trial."""

    trial: Trial
    code: int | None
    """Exit code of the struck controller."""
    seconds: float
    lost: str | None = None
    """Why the way did not lead out; None when it did."""

    def __str__(self) -> str:
        end = f"LOST: {self.lost}" if self.lost else "ok"
        return f"{self.trial} [exit {self.code}, {self.seconds:.0f} s] {end}"


def run(trial: Trial, bench: Bench) -> Outcome:
    """Strike, and go the way.

    An `up` begins with the machines as found, a `down` when the cluster is up. Afterwards it is up
    (and `status --check` says so), or the machines are as found.
    """
    began = time.monotonic()
    code: int | None = None
    lost: str | None = None
    fault, machine = trial.fault, bench.machines[trial.point.node]
    try:
        fault.prepare(machine)
        with stopped(bench.sparkctl.file, trial.command, trial.point) as controller:
            code, said = fault.strike(controller, machine)
        assert code in fault.ends(trial.command), f"struck, it ended with {code}:\n{said}"
        assert "Traceback" not in said, said
        assert "a fault of sparkctl itself" not in said, said
        bench.a_minute_later()
        if fault.bars(trial.way):
            fault.repair(machine)
        bench.sparkctl("cluster", trial.way, "--yes")
        if not fault.bars(trial.way):
            fault.repair(machine)
        check(bench, trial.way)
    except (AssertionError, LabError, subprocess.TimeoutExpired) as failure:
        lost = str(failure)
    return Outcome(trial, code, time.monotonic() - began, lost)


def check(bench: Bench, way: Command) -> None:
    """After `up` nothing may be left to do, after `down` all must be as found."""
    if way == "up":
        bench.sparkctl("cluster", "status", "--check")
    else:
        changed = bench.changed()
        assert not changed, f"not as it was found:\n{changed}"
