"""Stopped in the middle: the current change is finished, no other is begun, and it is reported."""

import os
import signal
import threading
from collections.abc import Iterator, Mapping
from typing import Literal

import pytest

from orchestrator.cli.interrupt import Interrupted, interruptible, stopped_by_interrupt
from orchestrator.errors import LockLostError, SparkctlError, StoppedError
from orchestrator.names import LAUNCH_FOLDER
from orchestrator.node.connection import Completed
from orchestrator.node.fence import LOST, lost
from orchestrator.node.node import Node
from orchestrator.reconcile.current_changes import CurrentChanges
from orchestrator.reconcile.events import ChangeStarted, Event
from orchestrator.reconcile.plan import Plan
from orchestrator.resources.base import Change, Stage
from tests.reconcile.test_apply import Note, Site, site, step

__all__ = ["site"]

STEPS = (
    step(Note("spark-a", "one")),
    step(Note("spark-a", "two")),
    step(Note("spark-b", "three"), Stage.WORKERS),
)


@pytest.mark.parametrize("direction", ["up", "down"])
def test_what_was_begun_is_finished_and_counted(
    site: Site, direction: Literal["up", "down"]
) -> None:
    current = CurrentChanges()

    def listen(event: Event) -> None:
        site.heard.append(event)
        if isinstance(event, ChangeStarted):
            assert current.stop() == (event.change,)

    with pytest.raises(StoppedError, match="stopped after 1 of 3 changes") as caught:
        site.apply_plan(Plan(site.spec.name, direction, STEPS), listen, current)
    assert caught.value.exit_code == 130
    assert "sparkctl cluster down" in str(caught.value.resolution)
    assert site.told() == ["ChangeStarted spark-a/note:one", "ChangeDone spark-a/note:one"]
    assert "note two" not in site.did("spark-a")
    assert site.did("spark-b") == []
    assert current.stop() == ()


def test_who_sees_between_two_changes_that_the_lock_is_lost_begins_none(site: Site) -> None:
    current = CurrentChanges()
    current.stop(lost("spark-b"))
    with pytest.raises(LockLostError, match="took over the lock of spark-b"):
        site.apply_plan(Plan(site.spec.name, "up", STEPS), site.heard.append, current)
    assert site.heard == []


class Told(CurrentChanges):
    """One that says when it was stopped."""

    def __init__(self) -> None:
        super().__init__()
        self.told = threading.Event()

    def stop(self, why: SparkctlError | None = None) -> tuple[Change, ...]:
        changes = super().stop(why)
        self.told.set()
        return changes


def test_a_lock_that_is_lost_on_one_machine_stops_the_others(site: Site) -> None:
    """Who took over there changes this machine next."""
    site.machines["spark-a"].failing = {"note one": Completed(LOST, b"", b"")}
    current = Told()

    class Slow(Note):
        def apply(self, nodes: Mapping[str, Node], change: Change) -> None:
            assert current.told.wait(20), "nobody stops"

    steps = (
        step(Note("spark-a", "one")),
        step(Note("spark-a", "two")),
        step(Slow("spark-b", "three")),
        step(Note("spark-b", "four")),
    )
    with pytest.raises(LockLostError, match="took over the lock of spark-a") as caught:
        site.apply_plan(Plan(site.spec.name, "up", steps), site.heard.append, current)
    assert caught.value.code == "E503"
    assert "note two" not in site.did("spark-a")
    assert "note four" not in site.did("spark-b")
    assert all(node.fence is None for node in site.nodes.values())


def test_no_run_is_started_while_machines_are_changed(site: Site) -> None:
    """And the other way round: the manager's launch lock is taken before all else."""
    site.up(step(Note("spark-a", "one")))
    takes = [s for s in site.machines["spark-a"].scripts if 'mkdir "$lock"' in s]
    assert [f"lock={LAUNCH_FOLDER}/lock" in script for script in takes] == [True, False]
    assert not any(LAUNCH_FOLDER in script for script in site.machines["spark-b"].scripts)


def test_while_it_is_locked_every_script_looks_at_the_lock_first(site: Site) -> None:
    site.up(step(Note("spark-a", "one")))
    scripts = site.machines["spark-a"].scripts
    changes = [script for script in scripts if "note one" in script or "journal/" in script]
    assert len(changes) >= 2
    for script in changes:
        assert script.splitlines()[1].startswith("grep -qsF "), script
        assert script.splitlines()[1].endswith("/run/sparkctl/lock/owner || exit 98")


@pytest.fixture
def before(number: signal.Signals) -> Iterator[signal.Handlers]:
    """The handler of a process whose signals are not ignored, as those of a job in the background
    may be."""
    former = signal.signal(number, signal.SIG_DFL)
    yield signal.SIG_DFL
    signal.signal(number, former)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_waits_for_what_is_at_hand_and_for_nothing_else(
    number: signal.Signals, before: signal.Handlers
) -> None:
    current, change = CurrentChanges(), STEPS[0].change
    with interruptible() as signalled:
        with pytest.raises(StoppedError) as stopped, stopped_by_interrupt(current):
            assert current.begin(change)
            os.kill(os.getpid(), number)
            assert not current.begin(STEPS[1].change)
            current.end(change)
            raise StoppedError("stopped")
        assert stopped.value.exit_code == 128 + number
        with pytest.raises(Interrupted), stopped_by_interrupt(CurrentChanges()):
            os.kill(os.getpid(), number)
        assert signalled.exit_code == 128 + number
    assert signal.getsignal(number) is before
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)


def test_a_signal_that_is_to_be_ignored_stays_so() -> None:
    """`nohup sparkctl train`."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with interruptible():
            assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)
