"""Which trials there are, and in which order one lab goes through them."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from random import Random

from tests.faults.bench import Bench
from tests.faults.fault import (
    Command,
    Cut,
    Fault,
    FullDisk,
    Killed,
    PowerCut,
    ReadOnly,
    Reboot,
)
from tests.faults.point import Point, Seen
from tests.faults.trial import Outcome, Trial, check, run

Seens = dict[Command, list[Seen]]
"""The points of a whole `up` and of a whole `down`."""

KILLED = Killed("controller killed", frozenset({-9}))
# 0: what was left to do did not need that connection, or that disk, any more.
CUT = Cut("SSH connection cut", frozenset({0, 4}))
POWER_CUT = PowerCut("machine without power", frozenset({0, 4}))
# 7: a machine that shuts down refuses to restart Docker, and says so.
REBOOT = Reboot("machine rebooted", frozenset({0, 4, 7}))
FULL_DISK = FullDisk("journal's disk full", frozenset({0, 7}))
READ_ONLY = ReadOnly("/etc/docker read-only", frozenset({7}))


@dataclass(frozen=True)
class _Place:
    """Whether a fault strikes here; what both machines do alike, at the first one only."""

    seen: Seen
    command: Command

    @property
    def killed(self) -> bool:
        """At every change; between them (locks, records, probes) on one machine."""
        here = self.seen
        alike = here.what.startswith("spark-b") and not here.in_change
        return here.operation == 0 or here.in_change or (here.locked and not alike)

    @property
    def cut(self) -> bool:
        """While a change is asked for; just before it, on one machine."""
        here = self.seen
        return here.in_change and (here.operation > 0 or here.what.startswith("spark-a"))

    @property
    def power_cut(self) -> bool:
        return self._working and self.seen.in_change and self.seen.operation == 1

    @property
    def reboot(self) -> bool:
        return self.power_cut and self.seen.what.endswith(("/daemon.json", "/swarm"))

    @property
    def full_disk(self) -> bool:
        """Where the next thing is a record."""
        return self._working and self.seen.when == "after" and self.seen.operation == 0

    @property
    def read_only(self) -> bool:
        return self.seen == Seen("before", "spark-a/daemon.json", 0, 0.0)

    @property
    def _working(self) -> bool:
        """One machine for each command: the manager for `up`, the worker for `down`."""
        return self.seen.what.startswith("spark-a" if self.command == "up" else "spark-b")


_PLACES: dict[Fault, Callable[[_Place], bool]] = {
    KILLED: lambda place: place.killed,
    CUT: lambda place: place.cut,
    POWER_CUT: lambda place: place.power_cut,
    REBOOT: lambda place: place.reboot,
    FULL_DISK: lambda place: place.full_disk,
    READ_ONLY: lambda place: place.read_only,
}


def every(seens: Seens) -> list[Trial]:
    """The full matrix: each fault at each of its points, and both ways out."""
    return [
        Trial(fault, command, point, way)
        for fault in _PLACES
        for command, seen in seens.items()
        for point in points(fault, command, seen)
        for way in _WAYS
    ]


def sample(seens: Seens, random: Random) -> list[Trial]:
    """A few of them: every fault of a machine, and a kill for each command and each way."""
    kinds: list[tuple[Fault, Command, Command]] = [
        *((KILLED, command, way) for command in _WAYS for way in _WAYS),
        (CUT, "up", "up"),
        (POWER_CUT, "down", "down"),
        (FULL_DISK, "up", "down"),
    ]
    return [
        Trial(fault, command, random.choice(points(fault, command, seens[command])), way)
        for fault, command, way in kinds
    ]


def points(fault: Fault, command: Command, seens: Iterable[Seen]) -> list[Point]:
    """Where this fault strikes."""
    return [
        point
        for seen in seens
        if _PLACES[fault](_Place(seen, command))
        for point in (seen.points if fault is KILLED else seen.middle)
    ]


def in_order(trials: Iterable[Trial], switch: Callable[[Command], None]) -> Iterator[Trial]:
    """The trials so that one begins where another ended; `switch` is called where none does.

    An `up` is struck on machines as found, a `down` when the cluster is up; a trial ends as its way
    does. Begins with machines as found, and ends with them.
    """
    waiting: dict[tuple[Command, Command], deque[Trial]] = {
        (command, way): deque() for command in _WAYS for way in _WAYS
    }
    for trial in trials:
        waiting[trial.command, trial.way].append(trial)
    state: Command = "down"
    while any(waiting.values()):
        struck: Command = "up" if state == "down" else "down"
        same, other = waiting[struck, state], waiting[struck, struck]
        if not same and not other:
            switch(struck)
            state = struck
            continue
        # First those that lead back to here, as long as they are not fewer than those that leave.
        trial = (same if len(same) >= len(other) else other).popleft()
        yield trial
        state = trial.way
    if state == "up":
        switch("down")


def outcomes(trials: Iterable[Trial], bench: Bench) -> Iterator[Outcome]:
    """Go through the trials on one lab, up to the first that is lost: the lab is of no use then."""

    def switch(way: Command) -> None:
        bench.sparkctl("cluster", way, "--yes")
        check(bench, way)

    for trial in in_order(trials, switch):
        outcome = run(trial, bench)
        yield outcome
        if outcome.lost:
            return


_WAYS: tuple[Command, Command] = ("up", "down")
