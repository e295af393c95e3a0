"""Ctrl-C in the middle: the change at hand is finished, no other is begun, and it is said."""

import os
import signal
import threading
from typing import Literal

import pytest

from orchestrator.cli.interrupt import stopped_by_interrupt
from orchestrator.errors import StoppedError
from orchestrator.reconcile.events import ChangeStarted, Event
from orchestrator.reconcile.plan import Plan
from orchestrator.resources.base import Stage
from tests.reconcile.test_apply import Note, Site, site, step

__all__ = ["site"]


@pytest.mark.parametrize("direction", ["up", "down"])
def test_what_was_begun_is_finished_and_counted(
    site: Site, direction: Literal["up", "down"]
) -> None:
    stop = threading.Event()

    def listen(event: Event) -> None:
        site.heard.append(event)
        if isinstance(event, ChangeStarted):
            stop.set()

    steps = (
        step(Note("spark-a", "one")),
        step(Note("spark-a", "two")),
        step(Note("spark-b", "three"), Stage.WORKERS),
    )
    with pytest.raises(StoppedError, match="stopped after 1 of 3 changes") as caught:
        site.carry_out(Plan(site.spec.name, direction, steps), listen, stop)
    assert caught.value.exit_code == 130
    assert "sparkctl cluster down" in str(caught.value.resolution)
    assert site.told() == ["ChangeStarted spark-a/note:one", "ChangeDone spark-a/note:one"]
    assert "note two" not in site.did("spark-a")
    assert site.did("spark-b") == []


def test_the_first_interrupt_sets_the_event_and_the_second_is_not_held_back() -> None:
    before = signal.getsignal(signal.SIGINT)
    with stopped_by_interrupt() as stop:
        assert not stop.is_set()
        os.kill(os.getpid(), signal.SIGINT)
        assert stop.wait(5)
        assert signal.getsignal(signal.SIGINT) is signal.SIG_DFL
    assert signal.getsignal(signal.SIGINT) is before
