"""Runs from run folders and Swarm: real folders read by the real script."""

import base64
import json
from datetime import timedelta
from itertools import islice
from pathlib import Path

import pytest

from orchestrator.errors import ConnectError, RunError, SparkctlError
from orchestrator.facts.protocol import encode
from orchestrator.node.connection import Completed
from orchestrator.node.node import Node
from orchestrator.runs.events import RankEvent, parse_line
from orchestrator.runs.logs import Wanted, read_logs, stamped
from orchestrator.runs.node_runs import NodeRuns, parse_node_runs
from orchestrator.runs.reading import RunIndex, merged, read_runs, runs_script
from orchestrator.runs.state import state_of
from orchestrator.runs.summary import summary
from orchestrator.spec.cluster import ClusterSpec
from orchestrator.stack.tasks import Task, newest_tasks
from orchestrator.testing.connection import printed
from tests.runs.folders import AT, ENDED, RUN, Cluster, Unwrapped, both, event, task
from tests.support.clusters import cluster as cluster_of
from training.contract.events import Result
from training.contract.verdict import Attempt

OTHER = "tiny-llama-lora-fedcba"


@pytest.fixture
def cluster(tmp_path: Path) -> Cluster:
    made = Cluster(tmp_path)
    made.keep_record()
    return made


def read(cluster: Cluster, only: str | None = None) -> RunIndex:
    """Each node reads its own folder, as it would on its own disk."""
    told: dict[str, NodeRuns] = {}
    errors: dict[str, SparkctlError] = {}
    for name, node in cluster.nodes.items():
        try:
            output = node.output(runs_script(str(cluster.folder / name), only), need="docker")
        except SparkctlError as error:
            errors[name] = error
        else:
            told[name] = parse_node_runs(name, output)
    return merged(told, cluster.engine.tasks_now, errors, "spark-a")


OLD = Path(__file__).with_name("of_ff2cd89")
"""Run folders of two real runs as that version left them, by node: read for ever."""


def test_what_an_old_version_left_is_read() -> None:
    told, folder = {}, "/home/nvidia/sparkctl/runs"
    for node in ("spark-a", "spark-b"):
        facts = {"/folder": folder, "/clock": "2027-01-01T00:00:00Z"}
        files = [path for path in (OLD / node).rglob("*") if path.is_file()]
        facts |= {f"{path.parent.name}/{path.name}": path.read_text() for path in files}
        told[node] = parse_node_runs(node, encode(facts))
    reading = merged(told, [], {}, "spark-a")
    assert reading.unreadable == ()
    failed, good = (reading.find(f"tiny-llama-lora-{digits}") for digits in ("3d4e5f", "0a1b2c"))
    assert (good.state, failed.state, good.legacy) == ("succeeded", "failed", True)
    assert good.record.ranks[1].folder == f"{folder}/{good.name}"
    one = summary(good)
    assert (one.step, one.total_steps, one.attempts, len(one.losses)) == (6, 6, 1, 6)
    assert [(r.phase, r.step, r.unreadable) for r in one.ranks] == [("saving", 6, [])] * 2
    assert good.ranks[1].last(Result) and one.eval_loss is not None
    verdict = failed.verdict
    assert verdict and (verdict.rank, verdict.node, verdict.code) == (1, "spark-b", "killed")
    assert failed.attempts[0].end == "failed" and summary(failed).step == verdict.step
    for path in OLD.rglob("log-*"):
        rank = int(path.stem[-1])
        for line in path.read_text().splitlines():
            at, text = stamped(line)
            assert at
            assert isinstance(parse_line(rank, text), RankEvent) == text.startswith('{"event":')


def spec(runs: Path) -> ClusterSpec:
    return cluster_of({"nodes": ["spark-a", "spark-b"], "paths": {"runs": str(runs)}})


def test_a_run_in_the_middle(cluster: Cluster) -> None:
    cluster.engine.tasks_now = both("running")
    for rank in (0, 1):
        folder = cluster.run_folder(rank)
        steps = [
            event("step", rank, step=step, loss=9.0 - step, tokens_per_second=50.0,
                  rank_tokens_per_second=25.0, memory_available=2**30)
            for step in (1, 2, 3)
        ]  # fmt: skip
        text = "\n".join([event("phase", rank, name="loading"), *steps, '{"event":"step","torn'])
        (folder / f"metrics-rank{rank}.jsonl").write_text(text)
        beat = {"rank": rank, "phase": "training", "step": 4, "pid": 1}
        (folder / f"heartbeat-rank{rank}.json").write_text(json.dumps(beat))
    run = read(cluster).find("last")
    told = summary(run)
    assert (told.run, told.state, told.step, told.total_steps) == (RUN, "running", 4, 9)
    assert (told.loss, told.losses, told.tokens_per_second) == (6.0, [8.0, 7.0, 6.0], 50.0)
    assert [(r.node, r.task, r.phase, r.step) for r in told.ranks] == [
        ("spark-a", "running", "training", 4), ("spark-b", "running", "training", 4),
    ]  # fmt: skip
    assert told.ranks[1].memory_available == 2**30
    assert all(rank.bytes > 0 for rank in told.ranks)
    assert cluster.connections["spark-a"].scripts == 1


def test_a_run_that_has_failed(cluster: Cluster) -> None:
    verdict = cluster.judge(state="failed", rank=1, message="no space", step=5)
    attempt = Attempt(
        attempt=1, began=ENDED, ended=ENDED, end="failed", step=5, saved=0, rank=1,
        code="disk_full",
    )  # fmt: skip
    lines = ['{"attempt": 1, "began": "x"}', attempt.model_dump_json(), '{"verdict": "failed"}']
    (cluster.run_folder(0) / "attempts-rank0.jsonl").write_text("\n".join(lines))
    run = read(cluster, only=RUN).find(RUN)
    assert (run.state, run.attempts) == ("failed", (attempt,))
    assert run.verdict and run.verdict.model_dump(exclude={"event"}) == verdict
    told = summary(run)
    assert (told.step, told.attempts, told.verdict) == (5, 1, verdict)


def test_folders_of_something_else_are_passed_over(cluster: Cluster) -> None:
    odd = cluster.folder / "spark-a" / "odd $(touch never) name"
    odd.mkdir()
    (odd / "run.json").write_text("{}")
    (cluster.folder / "spark-a" / "notes.txt").write_text("mine")
    assert [run.name for run in read(cluster).runs] == [RUN]


def test_no_folder_is_no_run(tmp_path: Path) -> None:
    made = Cluster(tmp_path)
    reading = read_runs(spec(tmp_path / "never-made"), {"spark-a": made.nodes["spark-a"]})
    assert (reading.runs, reading.errors) == ((), {})


def test_a_node_that_is_away_is_told_and_the_rest_shown(cluster: Cluster) -> None:
    cluster.connections["spark-b"].away = ConnectError("gone", node="spark-b")
    reading = read(cluster)
    assert set(reading.errors) == {"spark-b"}
    assert reading.find("last").state == "lost"


def test_names(cluster: Cluster) -> None:
    reading = read(cluster)
    assert reading.find(RUN[:-2]).name == RUN
    with pytest.raises(RunError, match="there is no run nothing") as caught:
        reading.find("nothing")
    assert RUN in str(caught.value.details)
    with pytest.raises(RunError, match="no run last") as caught:
        RunIndex((), {}).find("last")
    (run,) = reading.runs
    longer = run.record.model_copy(update={"run": RUN + "0"})  # no run is named so, but a prefix is
    other = type(run)(longer, {}, (), {})
    both_runs = RunIndex((run, other), {})
    assert both_runs.find(RUN).name == RUN
    with pytest.raises(RunError, match="2 runs begin with tiny"):
        both_runs.find("tiny")


def test_the_newest_run_comes_first(cluster: Cluster) -> None:
    older = cluster.record.model_copy(
        update={"run": OTHER, "created": cluster.record.created - timedelta(days=1)}
    )
    for rank, node in enumerate(cluster.nodes):
        place = [p.model_copy(update={"folder": str(cluster.folder / p.node / OTHER)})
                 for p in older.ranks]  # fmt: skip
        folder = cluster.folder / node / ".records" / OTHER
        folder.mkdir()
        record = older.model_copy(update={"ranks": tuple(place)})
        (folder / "run.json").write_text(record.model_dump_json())
        assert rank in (0, 1)
    assert [run.name for run in read(cluster).runs] == [RUN, OTHER]


def test_the_newest_task_of_a_rank_counts() -> None:
    stranger = task(0, "failed")
    stranger["Spec"]["ContainerSpec"]["Labels"] = None
    found = newest_tasks([task(0, "complete", at="05"), task(0, "failed", at="01"), stranger])
    assert [(t.rank, t.state) for t in found[RUN]] == [(0, "complete")]
    assert list(found) == [RUN]


@pytest.mark.parametrize(
    ("verdict", "states", "attempts", "word"),
    [
        ("succeeded", ["running"], 0, "succeeded"),
        ("failed", [], 3, "failed"),
        (None, [], 0, "lost"),
        (None, None, 0, "unknown"),
        ("failed", None, 0, "failed"),
        (None, ["preparing", "running"], 0, "starting"),
        (None, ["running", "running"], 0, "running"),
        (None, ["running", "running"], 2, "running"),
        (None, ["running", "ready"], 1, "restarting"),
        (None, ["complete", "failed"], 1, "broken"),
        (None, ["failed", "running"], 0, "starting"),
    ],
)
def test_one_word(verdict: str | None, states: list[str] | None, attempts: int, word: str) -> None:
    tasks = None if states is None else [Task(rank, state) for rank, state in enumerate(states)]
    assert state_of(verdict, tasks, attempts) == word


class Piecemeal(Unwrapped):
    """A node whose log has no end."""

    def run(self, command: str, stdin: bytes, *, deadline: float) -> Completed:
        self.scripts += 1
        piece = f"{AT % self.scripts} one\n".encode() * 2**15  # 32 bytes each
        return Completed(0, printed(command, base64.b64encode(piece) + b"\n\n"), b"")


def test_logs_of_any_size_are_held_piece_by_piece(tmp_path: Path) -> None:
    """L3: of each rank one piece, whatever there is beyond."""
    cluster, endless = Cluster(tmp_path), (Piecemeal(), Piecemeal())
    nodes = {name: Node(name, one) for name, one in zip(cluster.nodes, endless, strict=True)}
    lines = read_logs(cluster.record.ranks, nodes, Wanted(since=AT % 1))
    ranks = [rank for _, rank, _ in islice(lines, 2**15 + 10)]
    assert ranks == [0] * 2**15 + [1] * 10
    assert [one.scripts for one in endless] == [2, 1]
