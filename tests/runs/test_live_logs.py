"""Lines of a run while it goes on, and the last lines of one: real scripts on real folders."""

import base64
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from orchestrator.errors import ConnectError
from orchestrator.node.node import Node
from orchestrator.runs.events import Ended, LogLine, NodeBack, NodeSilent, RunEvent, RunListener
from orchestrator.runs.follow import Timeouts, follow
from orchestrator.runs.live_logs import follow_logs
from orchestrator.runs.logs import Wanted, read_logs
from orchestrator.runs.verdict import Outcome
from orchestrator.testing.connection import FakeConnection
from tests.runs.folders import AT, Cluster, both, event, task

Page = Callable[[Cluster], object]
QUICK = Timeouts(start=30, broken=0.0, away=30, results=0.0)


@pytest.fixture
def cluster(tmp_path: Path) -> Cluster:
    return Cluster(tmp_path)


def heard(cluster: Cluster, wanted: Wanted, pages: Sequence[Page]) -> list[RunEvent]:
    """What is told of a run in which the next page happens between two looks."""
    told: list[RunEvent] = []
    coming = iter(pages)

    def turn(_: float) -> None:
        page = next(coming, None)
        assert page is not None, f"nothing more happens, and it is still followed: {told}"
        page(cluster)

    def watch(hear: RunListener, offsets: dict[int, int]) -> Outcome:
        turn(0)
        manager = cluster.nodes["spark-a"]
        return follow(
            cluster.record, manager, cluster.nodes, hear, QUICK, offsets=offsets, sleep=turn
        )

    follow_logs(cluster.record, cluster.nodes, wanted, told.append, watch)
    return told


def texts(told: Sequence[RunEvent]) -> list[tuple[int, str]]:
    return [(one.rank, one.text) for one in told if isinstance(one, LogLine)]


def says(rank: int, *lines: str) -> Page:
    return lambda cluster: cluster.write(rank, *lines)


def running(cluster: Cluster) -> None:
    cluster.engine.tasks_now = both("running")


def judged(cluster: Cluster) -> None:
    cluster.judge(state="stopped")


def test_what_is_there_then_what_comes_once_each_until_the_run_is_over(cluster: Cluster) -> None:
    says(0, "one", event("step", 0))(cluster)
    says(1, "two")(cluster)
    told = heard(cluster, Wanted(), [running, says(0, "three", event("step", 0)), judged])
    assert texts(told) == [(0, "one"), (1, "two"), (0, "three")]
    assert isinstance(told[-1], Ended) and told[-1].outcome.state == "stopped"


def test_events_are_told_as_the_log_has_them(cluster: Cluster) -> None:
    step = event("step", 0, step=3)
    told = heard(cluster, Wanted(events=True), [running, says(0, step), judged])
    assert texts(told) == [(0, step)]
    assert isinstance(told[0], LogLine) and told[0].at == AT % 1


def test_lines_of_one_look_are_in_the_order_of_their_time(cluster: Cluster) -> None:
    def in_turn(cluster: Cluster) -> None:
        for number in range(3):
            cluster.write(number % 2, f"line {number}")

    told = heard(cluster, Wanted(), [running, in_turn, judged])
    assert texts(told) == [(0, "line 0"), (1, "line 1"), (0, "line 2")]


def test_one_rank_alone_is_followed_and_the_other_s_log_is_not_brought(cluster: Cluster) -> None:
    says(0, "x" * 1000)(cluster)
    told = heard(cluster, Wanted(ranks=(1,)), [running, says(0, "no"), says(1, "yes"), judged])
    assert texts(told) == [(1, "yes")]


def test_a_rank_that_starts_again_is_followed_into_its_next_attempt(cluster: Cluster) -> None:
    def dies(cluster: Cluster) -> None:
        cluster.write(1, "dies")
        cluster.engine.tasks_now = [task(0, "running"), task(1, "failed"), task(1, "ready", at="2")]

    told = heard(cluster, Wanted(), [running, dies, running, says(1, "again"), judged])
    assert texts(told) == [(1, "dies"), (1, "again")]


def test_a_node_that_goes_away_is_said_and_taken_up_again(cluster: Cluster) -> None:
    def off(cluster: Cluster) -> None:
        cluster.connections["spark-b"].away = ConnectError("spark-b is off", node="spark-b")

    def on(cluster: Cluster) -> None:
        cluster.connections["spark-b"].away = None
        cluster.write(1, "back")

    told = heard(cluster, Wanted(), [running, off, on, judged])
    kinds = [type(one) for one in told]
    assert kinds == [NodeSilent, NodeBack, LogLine, Ended]
    assert texts(told) == [(1, "back")]


def test_what_other_ranks_still_wrote_at_the_verdict_is_told(cluster: Cluster) -> None:
    def last_words(cluster: Cluster) -> None:
        judged(cluster)
        says(1, *("x" * 1000 for _ in range(2500)), "its last line")(cluster)

    assert texts(heard(cluster, Wanted(), [running, last_words]))[-1] == (1, "its last line")


def test_a_tail_then_what_comes(cluster: Cluster) -> None:
    says(0, *(f"old {number}" for number in range(50)))(cluster)
    told = heard(cluster, Wanted(tail=2), [running, says(0, "new 1", "new 2", "new 3"), judged])
    wanted = ["old 48", "old 49", "new 1", "new 2", "new 3"]
    assert [text for _, text in texts(told)] == wanted
    told = heard(cluster, Wanted(tail=0), [running])
    assert texts(told) == []


# The last lines of a log.


def tail(cluster: Cluster, wanted: Wanted) -> list[str]:
    return [text for _, _, text in read_logs(cluster.record.ranks, cluster.nodes, wanted)]


def test_the_last_lines_are_those_of_all_ranks_together(cluster: Cluster) -> None:
    for number in range(6):
        cluster.write(number % 2, f"line {number}")
    assert tail(cluster, Wanted(tail=3)) == ["line 3", "line 4", "line 5"]
    assert tail(cluster, Wanted(tail=2, ranks=(0,))) == ["line 2", "line 4"]
    assert tail(cluster, Wanted(tail=100)) == [f"line {number}" for number in range(6)]


def test_only_lines_that_are_wanted_count(cluster: Cluster) -> None:
    cluster.write(0, "one", "two", *(event("step", 0, step=n) for n in range(2000)))
    assert tail(cluster, Wanted(tail=2)) == ["one", "two"]
    assert tail(cluster, Wanted(tail=2, since=AT % 2)) == ["two"]


@dataclass
class Counted:
    """A log of 2 GiB, and how much of it was brought."""

    size: int = 2**31
    brought: int = 0

    def __call__(self, script: str) -> str:
        if "peek log-rank" not in script:
            return str(self.size)
        line = next(line for line in script.splitlines() if line.startswith("peek log-rank"))
        begin, piece = (int(word) for word in line.split()[2:4])
        length = min(piece, self.size - begin)
        self.brought += length
        row = b'2026-11-24T16:33:36.000000Z {"event":"x"}\n'
        data = (row * (length // len(row) + 2))[begin % len(row) :][:length]
        return base64.b64encode(data).decode() + "\n\n"


@pytest.mark.parametrize(("wanted", "most"), [
    (Wanted(tail=100, events=True), 2**16), (Wanted(tail=100), 2**16 + 2**20 + 2**24),
])  # fmt: skip
def test_of_a_huge_log_a_bounded_part_is_brought(
    cluster: Cluster, wanted: Wanted, most: int
) -> None:
    """Also when it has no line that is wanted."""
    log = Counted()
    nodes = {"spark-a": Node("spark-a", FakeConnection(log))}
    found = list(read_logs(cluster.record.ranks[:1], nodes, replace(wanted, ranks=(0,))))
    assert len(found) == (100 if wanted.events else 0)
    assert log.brought <= most + 2**12  # the rest of a line is brought twice
