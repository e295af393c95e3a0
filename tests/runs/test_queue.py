"""A queue waits for hours: a connection may go, another run may be quicker."""

from collections.abc import Callable, Iterator

import pytest

from orchestrator.errors import (
    BusyError,
    ConnectError,
    HostKeyError,
    LockedError,
    NodeErrors,
    RemoteError,
    SparkctlError,
)
from orchestrator.node.node import Node
from orchestrator.runs import queue
from orchestrator.runs.absence import AWAY, may_pass
from orchestrator.runs.queue import POLL, in_turn, wait_for_gpus
from orchestrator.stack.occupancy import Occupancy
from orchestrator.testing.connection import FakeConnection
from tests.support.clusters import sparks

OFF = ConnectError("the connection to spark-b is gone", node="spark-b")
BUSY = BusyError("the GPUs are in use by the run other")


class Site:
    """Two machines; what they say at each look, and at each reconnection, is told before."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *looks: SparkctlError | None) -> None:
        self.now, self.said, self.reconnected = 0.0, list[str](), 0
        self.looks: Iterator[SparkctlError | None] = iter(looks)
        self.nodes = {name: self._node(name) for name in ("spark-a", "spark-b")}
        monkeypatch.setattr(queue, "require_free_gpus", self._require_free_gpus)

    def _node(self, name: str) -> Node:
        def reopen() -> FakeConnection:
            self.reconnected += 1
            return connection

        connection = FakeConnection(lambda script: "")
        return Node(name, connection, reopen=reopen)

    def _require_free_gpus(self, manager: Node, judged: Callable[[str], bool]) -> Occupancy:
        assert manager.name == "spark-a"
        if (error := next(self.looks)) is not None:
            raise error
        return Occupancy()

    def _sleep(self, seconds: float) -> None:
        self.now += seconds

    def wait(self) -> None:
        wait_for_gpus(
            sparks(2), self.nodes, self.said.append, sleep=self._sleep, clock=lambda: self.now
        )


def test_it_is_said_once_what_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    site = Site(monkeypatch, BUSY, BUSY, None)
    site.wait()
    assert site.said == ["waiting: the GPUs are in use by the run other"]
    assert (site.now, site.reconnected) == (2 * POLL, 0)


@pytest.mark.parametrize("blip", [OFF, RemoteError("Docker restarts"), NodeErrors([OFF, OFF])])
def test_a_connection_that_is_lost_is_made_again(
    blip: SparkctlError, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = Site(monkeypatch, BUSY, blip, BUSY, blip, None)
    site.wait()
    assert site.reconnected == 4, "twice, both machines"
    assert f"waiting: {blip.brief}" in site.said


def test_patience_has_an_end_and_begins_anew_with_every_answer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    silent = [OFF] * int(AWAY / POLL)
    Site(monkeypatch, *silent, BUSY, *silent, None).wait()
    site = Site(monkeypatch, *silent, OFF, OFF, OFF)
    with pytest.raises(ConnectError):
        site.wait()
    assert AWAY < site.now <= AWAY + 2 * POLL


def test_a_machine_that_refuses_us_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    changed = HostKeyError("the host key of spark-b has CHANGED")
    for refusal in (changed, NodeErrors([OFF, changed])):
        assert not may_pass(refusal)
        site = Site(monkeypatch, refusal)
        with pytest.raises(SparkctlError):
            site.wait()
        assert site.now == 0.0


@pytest.mark.parametrize("quicker", [BUSY, LockedError("spark-a is being changed")])
def test_whoever_is_quicker_is_waited_for_again(
    quicker: SparkctlError, monkeypatch: pytest.MonkeyPatch
) -> None:
    site, starts = Site(monkeypatch, None, None), iter([quicker, None])

    def start() -> str:
        if (error := next(starts)) is not None:
            raise error
        return "started"

    slept: list[float] = []
    told = in_turn(sparks(2), site.nodes, site.said.append, start, sleep=slept.append)
    assert told == "started"
    assert slept == [POLL]
    assert site.said == [f"waiting: {quicker.brief}"]
