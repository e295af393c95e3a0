"""Watching a run to its end: real scripts on real folders, an engine that tells a story."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import requests

from orchestrator.errors import AuthenticationError, ConnectError
from orchestrator.runs.events import (
    Ended,
    LogLine,
    NodeBack,
    NodeGone,
    NodeSilent,
    RankEvent,
    RunEvent,
)
from orchestrator.runs.events import TaskState as Told
from orchestrator.runs.follow import Timeouts, follow
from orchestrator.runs.verdict import Outcome
from tests.runs.folders import RUN, Cluster, both, event, task
from tests.runs.test_run_events import UNFIT
from training.contract.verdict import RESTS_ON

Page = Callable[[Cluster], object]
QUICK = Timeouts(start=30, broken=0.0, away=30, results=0.0)


@pytest.fixture
def cluster(tmp_path: Path) -> Cluster:
    return Cluster(tmp_path)


def watch(
    cluster: Cluster, pages: Sequence[Page], timeouts: Timeouts = QUICK, **more: Any
) -> tuple[Outcome, list[RunEvent]]:
    """Follow a run in which the next page happens between two looks."""
    heard: list[RunEvent] = []
    coming = iter(pages)

    def turn(_: float) -> None:
        page = next(coming, None)
        assert page is not None, f"nothing more happens, and it is still watched: {heard}"
        page(cluster)

    turn(0)
    verdict = follow(
        cluster.record,
        cluster.nodes["spark-a"],
        cluster.nodes,
        heard.append,
        timeouts,
        sleep=turn,
        **more,
    )
    return verdict, heard


def state(name: str) -> Page:
    return lambda cluster: setattr(cluster.engine, "tasks_now", both(name))


def succeed(cluster: Cluster) -> None:
    for rank in (0, 1):
        cluster.write(rank, event("result", rank, weights_sha256="abc"))
    cluster.judge()


def test_a_run_that_succeeds(cluster: Cluster) -> None:
    verdict, heard = watch(cluster, [state("preparing"), state("running"), succeed])
    assert (verdict.succeeded, verdict.run) == (True, RUN)
    assert [result.rank for result in verdict.results] == [0, 1]
    assert [e.state for e in heard if isinstance(e, Told) and e.rank == 0] == [
        "preparing", "running",
    ]  # fmt: skip
    assert isinstance(heard[-1], Ended)
    assert cluster.engine.asked[0] == {"label": f"sparkctl.run={RUN}"}


@pytest.mark.parametrize("message", [RESTS_ON["exit code"], f"{RESTS_ON['gang']} (2 ranks)"])
def test_without_results_none_is_waited_for(cluster: Cluster, message: str) -> None:
    def succeed(cluster: Cluster) -> None:
        cluster.judge(message=message)

    timeouts = Timeouts(start=30, broken=0.0, away=30, results=3600)
    verdict, _ = watch(cluster, [state("running"), succeed], timeouts)
    assert verdict.succeeded and verdict.results == ()


def test_lines_and_events_come_once_each_in_their_order(cluster: Cluster) -> None:
    def half(cluster: Cluster) -> None:
        cluster.write(0, "one", event("phase", 0, name="loading"))
        with (cluster.run_folder(0) / "log-rank0.txt").open("a") as file:
            file.write("2026-11-24T16:33:37.000000Z tw")

    def rest(cluster: Cluster) -> None:
        with (cluster.run_folder(0) / "log-rank0.txt").open("a") as file:
            file.write("o\n")

    _, heard = watch(cluster, [state("running"), half, rest, succeed])
    mine = [e for e in heard if isinstance(e, LogLine | RankEvent) and e.rank == 0]
    assert mine[0] == LogLine(0, "one", "2026-11-24T16:33:36.000001Z")
    assert isinstance(mine[1], RankEvent) and mine[1].event.event == "phase"
    assert mine[2] == LogLine(0, "two", "2026-11-24T16:33:37.000000Z")
    assert len(mine) == 4


def test_a_look_costs_one_round_trip_on_each_node(cluster: Cluster) -> None:
    watch(cluster, [state("running"), lambda _: None, succeed])
    assert [c.scripts for c in cluster.connections.values()] == [3, 3]
    assert len(cluster.engine.asked) == 2


def test_a_long_log_is_read_to_its_end_at_once(cluster: Cluster) -> None:
    def much(cluster: Cluster) -> None:
        cluster.write(0, *("x" * 1000 for _ in range(2500)))
        state("running")(cluster)

    _, heard = watch(cluster, [much, succeed])
    assert sum(isinstance(e, LogLine) for e in heard) == 2500


def test_what_is_known_already_is_not_told_again(cluster: Cluster) -> None:
    cluster.write(0, "old")
    size = (cluster.run_folder(0) / "log-rank0.txt").stat().st_size
    _, heard = watch(cluster, [succeed], offsets={0: size})
    assert not any(isinstance(e, LogLine) for e in heard)


def test_a_failure_names_who_failed_first(cluster: Cluster) -> None:
    def fail(cluster: Cluster) -> None:
        cluster.judge(
            state="failed", rank=1, node="spark-b", exit_code=1, step=5,
            message="the disk is full", help="make room", tail=["line 1", "line 2"],
        )  # fmt: skip

    verdict, _ = watch(cluster, [state("running"), fail])
    assert not verdict.succeeded
    assert verdict.brief == ("rank 1 on spark-b failed at step 5 (exit code 1): the disk is full")
    assert verdict.details == "line 1\nline 2"
    assert verdict.resolution and verdict.resolution.startswith("make room\n")
    assert f"sparkctl runs resume {RUN}" in verdict.resolution


def test_a_restart_is_no_end(cluster: Cluster) -> None:
    def between(cluster: Cluster) -> None:
        cluster.engine.tasks_now = [
            task(0, "running"), task(1, "failed"), task(1, "ready", at="09")
        ]  # fmt: skip

    pages = [state("running"), between, between, state("running"), succeed]
    assert watch(cluster, pages)[0].succeeded


def test_containers_that_ended_without_a_word(cluster: Cluster) -> None:
    def dead(cluster: Cluster) -> None:
        cluster.engine.tasks_now = [
            task(0, "complete"),
            task(1, "failed", Err="exec: no such file", ContainerStatus={"ExitCode": 127}),
        ]

    verdict, _ = watch(cluster, [dead, lambda _: None, lambda _: None])
    assert verdict.state == "broken"
    assert verdict.brief == "rank 1 on spark-b failed (exit code 127): exec: no such file"


def test_a_rank_that_never_starts_is_given_up_with_swarm_s_reason(cluster: Cluster) -> None:
    def waiting(cluster: Cluster) -> None:
        cluster.engine.tasks_now = [task(0, "running"), task(1, "pending", Err="no suitable node")]

    timeouts = Timeouts(start=-1, broken=0, away=0, results=0)
    verdict, _ = watch(cluster, [waiting], timeouts)
    assert verdict.brief == "rank 1 on spark-b pending: no suitable node"


def test_a_machine_that_is_away_for_a_while_comes_back(cluster: Cluster) -> None:
    opened: list[str] = []

    def leave(cluster: Cluster) -> None:
        cluster.connections["spark-b"].away = ConnectError("gone", node="spark-b")

    def reopen() -> Any:
        opened.append("spark-b")
        was = cluster.connections["spark-b"]
        fresh = type(was)()  # the one that was closed is no good any more
        fresh.away = was.away
        cluster.connections["spark-b"] = fresh
        return fresh

    def back(cluster: Cluster) -> None:
        cluster.connections["spark-b"].away = None

    cluster.nodes["spark-b"].reopen = reopen
    pages = [state("running"), leave, lambda _: None, back, succeed]
    verdict, heard = watch(cluster, pages)
    assert verdict.succeeded
    assert [e for e in heard if isinstance(e, NodeSilent | NodeBack)] == [
        NodeSilent("spark-b", "gone"), NodeBack("spark-b"),
    ]  # fmt: skip
    assert opened == ["spark-b"] * 2


def test_a_machine_that_stays_away_ends_the_watch(cluster: Cluster) -> None:
    def leave(cluster: Cluster) -> None:
        cluster.connections["spark-b"].away = ConnectError("gone", node="spark-b")

    with pytest.raises(ConnectError, match="gone"):
        watch(cluster, [leave, lambda _: None], Timeouts(away=-1))


def test_a_machine_that_refuses_us_is_not_waited_for(cluster: Cluster) -> None:
    cluster.connections["spark-b"].away = AuthenticationError("no", node="spark-b")
    with pytest.raises(AuthenticationError):
        watch(cluster, [state("running")])


def test_an_engine_that_cannot_be_asked_says_nothing_of_a_run(cluster: Cluster) -> None:
    """No task list is no end: the ranks write on, whatever the manager's engine does."""

    def writes(cluster: Cluster) -> None:
        cluster.write(0, "a line")
        trouble(cluster)

    outcome, heard = watch(
        cluster,
        [trouble, writes, writes, answers, succeed],
        Timeouts(start=-1, broken=-1, away=30, results=0),
    )
    assert outcome.succeeded
    assert sum(isinstance(e, LogLine) for e in heard) == 2


def test_an_engine_that_goes_when_all_had_ended_is_asked_again(cluster: Cluster) -> None:
    """Between two attempts all tasks are over: the verdict on them needs a look of now."""
    pages = [state("failed"), trouble, trouble, answers, succeed]
    assert watch(cluster, pages)[0].succeeded


def trouble(cluster: Cluster) -> None:
    cluster.engine.trouble = requests.ConnectionError("gone")
    cluster.nodes["spark-a"]._docker = cluster.engine  # type: ignore[assignment]


def answers(cluster: Cluster) -> None:
    cluster.engine.trouble = None
    cluster.nodes["spark-a"]._docker = cluster.engine  # type: ignore[assignment]
    cluster.engine.tasks_now = both("running")


def test_services_that_were_removed_are_told_but_not_seen_to_be_over(cluster: Cluster) -> None:
    outcome, _ = watch(cluster, [state("running"), gone, lambda _: None, lambda _: None])
    assert (outcome.brief, outcome.over) == ("its services were removed", False)


def gone(cluster: Cluster) -> None:
    cluster.engine.tasks_now = []


def test_a_worker_that_leaves_the_swarm_is_named(cluster: Cluster) -> None:
    cluster.engine.nodes_now = [{"ID": "id-0", "Status": {"State": "ready"}}]

    def leave(cluster: Cluster) -> None:
        cluster.engine.tasks_now = [
            task(0, "running"), task(1, "running"), task(1, "pending", at="09", Err="no node")
        ]  # fmt: skip

    def down(cluster: Cluster) -> None:
        nodes = {"id-0": "ready", "id-1": "down"}
        cluster.engine.nodes_now = [{"ID": i, "Status": {"State": s}} for i, s in nodes.items()]

    def fail(cluster: Cluster) -> None:
        cluster.judge(state="failed", rank=1, code="rank_missing", message="did not come")

    pages = [state("running"), leave, lambda _: None, down, lambda _: None, fail]
    outcome, heard = watch(cluster, pages)
    assert [e for e in heard if isinstance(e, NodeGone)] == [
        NodeGone("spark-b", "it has left the swarm")
    ]
    assert outcome.details == "the swarm misses spark-b: it is down"


def test_a_success_of_one_node_is_not_that_of_the_run(cluster: Cluster) -> None:
    def forge(cluster: Cluster) -> None:
        cluster.judge(state="succeeded")
        (cluster.run_folder(0) / "verdict-rank0.json").unlink()

    def other(cluster: Cluster) -> None:
        cluster.judge(state="failed", rank=1, message="broke")

    outcome, _ = watch(cluster, [state("running"), forge, lambda _: None, other])
    assert outcome.state == "failed"


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"state": "succeeded"}', "x" * 70_000])
def test_what_is_no_verdict_ends_nothing(cluster: Cluster, text: str) -> None:
    """An empty one, one without state, one that is not JSON, one without end."""

    def write(cluster: Cluster) -> None:
        (cluster.run_folder(0) / "verdict-rank0.json").write_text(text)

    outcome, heard = watch(cluster, [state("running"), write, lambda _: None, succeed])
    assert outcome.succeeded and isinstance(heard[-1], Ended)


@pytest.mark.parametrize("line", UNFIT)
def test_a_line_of_any_library_does_not_end_the_watch(cluster: Cluster, line: str) -> None:
    def write(cluster: Cluster) -> None:
        cluster.write(0, line)

    outcome, heard = watch(cluster, [state("running"), write, succeed])
    assert outcome.succeeded
    assert [e.text for e in heard if isinstance(e, LogLine)] == [line]


def test_leaving_changes_nothing(cluster: Cluster) -> None:
    cluster.write(0, "a line")

    def leave(_: RunEvent) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        follow(cluster.record, cluster.nodes["spark-a"], cluster.nodes, leave, QUICK)
    assert sorted(p.name for p in cluster.run_folder(0).iterdir()) == ["log-rank0.txt"]


def test_what_rank_0_knows_of_all_counts_more_than_what_another_knows_of_itself(
    cluster: Cluster,
) -> None:
    """Ranks that do not meet give up at about the same time."""

    def alone(cluster: Cluster) -> None:
        cluster.judge(state="failed", rank=0, node="spark-a", code="rank_missing", message="of 1")
        text = (cluster.run_folder(0) / "verdict-rank0.json").read_text()
        (cluster.run_folder(0) / "verdict-rank0.json").unlink()
        later.append(text.replace("of 1", "of 0"))

    def both(cluster: Cluster) -> None:
        (cluster.run_folder(0) / "verdict-rank0.json").write_text(later.pop())

    later: list[str] = []
    timeouts = Timeouts(start=30, broken=30, away=30, results=30)
    verdict, _ = watch(cluster, [state("running"), alone, both], timeouts)
    assert "of 0" in verdict.brief
