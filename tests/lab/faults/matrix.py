"""Which trials there are, and in which order one lab goes through them."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator

from tests.lab.faults.bench import Bench
from tests.lab.faults.fault import Cut, Fault, Killed, PowerCut, Reboot
from tests.lab.faults.point import Point, Seen
from tests.lab.faults.trial import Command, Outcome, Trial, leave, run

Seens = dict[Command, list[Seen]]
"""The points of a whole `up` and of a whole `down`."""

KILLED, CUT, POWER_CUT, REBOOT = Killed(), Cut(), PowerCut(), Reboot()

_PLACES: dict[Fault, Callable[[Seen], bool]] = {
    KILLED: lambda seen: seen.when != "start" or seen.operation > 1,  # 1: nothing is locked yet
    CUT: lambda seen: seen.when == "before",
    POWER_CUT: lambda seen: seen.when == "before" and seen.operation == 1,
    REBOOT: lambda seen: seen.when == "before" and seen.operation == 1 and seen.restarts_docker,
}


def every(seens: Seens) -> list[Trial]:
    """The full matrix: each fault at each of its points, and both ways out."""
    return [
        Trial(fault, command, point, way)
        for fault in _PLACES
        for command, seen in seens.items()
        for point in points(fault, seen)
        for way in _WAYS
    ]


def points(fault: Fault, seens: Iterable[Seen]) -> list[Point]:
    """Where this fault strikes. The controller is killed everywhere, also between two changes."""
    return [
        point
        for seen in seens
        if _PLACES[fault](seen)
        for point in (seen.points if fault is KILLED else seen.points[:1])
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
    for trial in in_order(trials, lambda way: leave(bench, way)):
        outcome = run(trial, bench)
        yield outcome
        if outcome.lost:
            return


_WAYS: tuple[Command, Command] = ("up", "down")
