"""Watching a run to its end, with an engine that tells a story."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
import requests

from orchestrator.errors import RemoteError
from orchestrator.runs import follow as following
from orchestrator.runs.events import Ended, LogLine, RankEvent, RunEvent, TaskState
from orchestrator.runs.follow import Patience, follow
from orchestrator.runs.verdict import Verdict
from orchestrator.spec.load import load_stack
from orchestrator.stack.ranks import unseen_ranks
from tests.support.clusters import sparks

RUN = "tiny-llama-lora-0a1b2c"
RESULT = '{"event": "result", "rank": %d, "weights_sha256": "abc"}'
ERROR = '{"event": "error", "code": "no_space", "message": "the disk is full", "help": "make room"}'

LOST = '{"event": "error", "code": "peer_lost", "message": "rank 1 went away", "help": ""}'


def task(rank: int, state: str, *, at: str = "01", **status: Any) -> dict[str, Any]:
    """A task as the Docker API tells it."""
    labels = {"sparkctl.run": RUN, "sparkctl.rank": str(rank)}
    return {
        "CreatedAt": f"2026-01-01T00:00:{at}Z",
        "Spec": {"ContainerSpec": {"Labels": labels}},
        "Status": {"State": state, "Timestamp": f"2026-01-01T00:00:{at}Z", **status},
    }


@dataclass
class Story:
    """An engine: the n-th look at the tasks gives the n-th page, the last one again and again.

    Logs of a rank come in these chunks and then, as Docker's do, the stream stays open until the
    client is closed. `late`: no log comes in before the last page was told.
    """

    pages: list[list[dict[str, Any]]]
    logs: dict[int, list[bytes]]
    late: bool = False
    told: threading.Event = field(default_factory=threading.Event)
    looks: int = 0
    name: str = "spark-a"
    over: threading.Event = field(default_factory=threading.Event)
    asked: dict[str, Any] = field(default_factory=dict)

    @property
    def api(self) -> "Story":
        return self

    @property
    def docker(self) -> "Story":
        return self

    @contextmanager
    def docker_streams(self) -> Iterator["Story"]:
        try:
            yield self
        finally:
            self.over.set()

    def tasks(self, filters: dict[str, str]) -> list[dict[str, Any]]:
        self.asked = filters
        page = self.pages[min(self.looks, len(self.pages) - 1)]
        self.looks += 1
        if self.looks >= len(self.pages):
            self.told.set()
        return page

    def service_logs(self, service: str, **_: Any) -> Iterator[bytes]:
        rank = int(service.removeprefix(f"{RUN}_rank"))
        if self.late:
            assert self.told.wait(20)
        yield from self.logs.get(rank, [])
        self.over.wait(20)
        raise ConnectionError("the channel is closed")


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(following, "_POLL", 0.0)


Watch = Callable[[Story], tuple[Verdict, list[RunEvent]]]
QUICK = Patience(start=20, gang=0.0, logs=20)


def watch(story: Story, patience: Patience = QUICK) -> tuple[Verdict, list[RunEvent]]:
    heard: list[RunEvent] = []
    ranks = unseen_ranks(sparks(2), load_stack("tiny-llama-lora"))
    verdict = follow(story, RUN, ranks, heard.append, patience)  # type: ignore[arg-type]
    return verdict, heard


def both(state: str) -> list[dict[str, Any]]:
    return [task(0, state), task(1, state)]


def test_a_run_that_succeeds() -> None:
    logs = {rank: [(RESULT % rank).encode() + b"\n"] for rank in (0, 1)}
    story = Story([[], both("preparing"), both("running"), both("complete")], logs)
    verdict, heard = watch(story)
    assert verdict.succeeded
    states = [event.state for event in heard if isinstance(event, TaskState) and event.rank == 0]
    assert states == ["preparing", "running", "complete"]
    assert isinstance(heard[-1], Ended)
    assert story.asked == {"label": f"sparkctl.run={RUN}"}


def test_logs_that_come_after_the_end_are_waited_for() -> None:
    """Swarm tells the end of a task before Docker hands over its last lines."""
    logs = {rank: [b"x\n" * 500, (RESULT % rank).encode() + b"\n"] for rank in (0, 1)}
    verdict, _ = watch(Story([both("complete")], logs, late=True))
    assert verdict.succeeded


def test_lines_and_events_are_passed_on_in_their_order() -> None:
    chunks = [b"one\ntw", b"o\n", (RESULT % 0).encode(), b"\n"]
    story = Story([both("running"), both("complete")], {0: chunks, 1: chunks})
    _, heard = watch(story)
    mine = [event for event in heard if isinstance(event, LogLine | RankEvent) and event.rank == 0]
    assert mine[:2] == [LogLine(0, "one"), LogLine(0, "two")]
    assert isinstance(mine[2], RankEvent)
    assert mine[2].kind == "result"


def test_streams_that_end_with_us_are_not_told() -> None:
    logs = {rank: [(RESULT % rank).encode() + b"\n"] for rank in (0, 1)}
    _, heard = watch(Story([both("complete")], logs))
    assert [event for event in heard if isinstance(event, LogLine)] == []


def test_a_failed_rank_ends_the_watch_though_its_peer_goes_on() -> None:
    dead = task(1, "failed", at="09", ContainerStatus={"ExitCode": 1}, Err="non-zero exit (1)")
    logs = {0: [LOST.encode() + b"\n"], 1: [ERROR.encode() + b"\n"]}
    story = Story([both("running"), [task(0, "running"), dead]], logs)
    verdict, _ = watch(story)
    assert not verdict.succeeded
    assert verdict.brief == "rank 1 on spark-b failed: the disk is full"
    assert verdict.resolution == "make room"


def test_only_the_last_lines_are_kept_for_the_verdict() -> None:
    text = b"".join(b"line %d\n" % n for n in range(40))
    dead = task(1, "failed", at="09", ContainerStatus={"ExitCode": 1}, Err="non-zero exit (1)")
    logs = {0: [LOST.encode() + b"\n"], 1: [text, ERROR.encode() + b"\n"]}
    story = Story([[task(0, "running"), dead]], logs)
    verdict, _ = watch(story)
    lines = str(verdict.details).splitlines()
    assert lines[-1] == "line 39"
    assert len(lines) == 15


def test_a_rank_that_never_starts_is_given_up_with_swarm_s_reason() -> None:
    waiting = task(1, "pending", Err="no suitable node")
    verdict, _ = watch(Story([[task(0, "running"), waiting]], {}), Patience(0.0, 0.0, 0.1))
    assert not verdict.succeeded
    assert "no suitable node" in verdict.brief


def test_the_newest_task_of_a_rank_counts() -> None:
    old = task(0, "failed", at="01")
    pages = [[task(0, "complete", at="05"), old, task(1, "complete", at="05")]]
    logs = {rank: [(RESULT % rank).encode() + b"\n"] for rank in (0, 1)}
    verdict, _ = watch(Story(pages, logs))
    assert verdict.succeeded


def test_tasks_of_nobody_are_passed_over() -> None:
    stranger = task(0, "failed")
    stranger["Spec"]["ContainerSpec"]["Labels"] = None
    logs = {rank: [(RESULT % rank).encode() + b"\n"] for rank in (0, 1)}
    verdict, _ = watch(Story([[*both("complete"), stranger]], logs))
    assert verdict.succeeded


def test_leaving_ends_the_streams() -> None:
    story = Story([both("running")], {})
    heard: list[RunEvent] = []

    def leave(event: RunEvent) -> None:
        heard.append(event)
        raise KeyboardInterrupt

    ranks = unseen_ranks(sparks(2), load_stack("tiny-llama-lora"))
    before = set(threading.enumerate())
    with pytest.raises(KeyboardInterrupt):
        follow(story, RUN, ranks, leave, QUICK)  # type: ignore[arg-type]
    assert story.over.is_set()
    assert set(threading.enumerate()) <= before


def test_an_engine_that_fails_in_the_middle_is_no_fault_of_ours() -> None:
    class Failing(Story):
        def tasks(self, filters: dict[str, str]) -> list[dict[str, Any]]:
            raise requests.ConnectionError("gone")

    with pytest.raises(RemoteError, match="the Docker Engine of spark-a"):
        watch(Failing([both("running")], {}))
