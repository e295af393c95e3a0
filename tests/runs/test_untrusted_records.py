"""What a container or one node may write is not believed: names, paths, times, words of others.

The nodes are folders here, the scripts are the real ones.
"""

import json
import os
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from orchestrator.errors import RemoteError, RunError, SparkctlError
from orchestrator.facts.protocol import encode
from orchestrator.node.node import Node
from orchestrator.runs import control
from orchestrator.runs.logs import read_logs
from orchestrator.runs.reading import RunIndex, read_runs
from orchestrator.runs.run import Unreadable
from orchestrator.spec.cluster import ClusterSpec
from orchestrator.testing.connection import FakeConnection
from tests.runs.folders import RUN, Cluster, both, event
from tests.runs.test_reading import OTHER, read
from tests.support.clusters import cluster as cluster_of
from training.contract.files import RankFiles
from training.contract.record import RankPlace, RunRecord


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cluster:
    monkeypatch.setattr(control, "remove", lambda manager, run: None)
    made = Cluster(tmp_path / "nodes")
    made.keep_record()
    return made


@pytest.fixture
def precious(tmp_path: Path) -> Path:
    """What nobody but its owner may touch."""
    folder = tmp_path / "precious"
    folder.mkdir()
    (folder / "data").write_text("mine")
    return folder


def spec_of(runs: Path) -> ClusterSpec:
    return cluster_of({"nodes": ["spark-a"], "paths": {"runs": str(runs)}})


def forged(made: Cluster, /, **fields: Any) -> str:
    return json.dumps(json.loads(made.record.model_dump_json()) | fields)


def as_before(cluster: Cluster, text: str, *ranks: int) -> None:
    """The record as ff2cd89 kept it: in the run folder, where the container can write."""
    for rank in ranks or (0, 1):
        record = cluster.run_folder(rank).parent / ".records" / RUN / "run.json"
        record.unlink(missing_ok=True)
        (cluster.run_folder(rank) / "run.json").write_text(text)


def elsewhere(cluster: Cluster, folder: Path) -> list[dict[str, Any]]:
    places = json.loads(cluster.record.model_dump_json())["ranks"]
    return [place | {"folder": str(folder)} for place in places]


def why(reading: RunIndex) -> str:
    """Of the one run, which is unreadable."""
    assert reading.runs == ()
    (one,) = reading.unreadable
    assert one.name == RUN
    return one.why


def delete_everywhere(cluster: Cluster) -> None:
    """As `runs rm`, on each node by itself."""
    found = read(cluster).find_any(RUN)
    for name, node in cluster.nodes.items():
        spec = spec_of(cluster.folder / name)
        control.delete(spec, found, {"spark-a": node})


def test_a_container_writes_a_record_and_nobody_reads_it(cluster: Cluster, precious: Path) -> None:
    """The record of a run lies where its container cannot write."""
    for rank in (0, 1):
        text = forged(cluster, ranks=elsewhere(cluster, precious), image="evil")
        (cluster.run_folder(rank) / "run.json").write_text(text)
    run = read(cluster).find(RUN)
    assert (run.record, run.legacy) == (cluster.record, False)


def test_a_record_of_before_is_still_read(cluster: Cluster) -> None:
    as_before(cluster, cluster.record.model_dump_json())
    run = read(cluster).find("last")
    assert (run.record, run.legacy, run.state) == (cluster.record, True, "lost")


def test_rm_deletes_the_run_s_own_folder_whatever_its_record_says(
    cluster: Cluster, precious: Path
) -> None:
    """S1 a."""
    as_before(cluster, forged(cluster, ranks=elsewhere(cluster, precious)))
    assert why(read(cluster)) == f"its record names another folder, {precious} (spark-a)"
    delete_everywhere(cluster)
    assert (precious / "data").read_text() == "mine"
    assert not cluster.run_folder(0).exists() and not cluster.run_folder(1).exists()
    assert list((cluster.folder / "spark-a").iterdir()) == []


def test_rm_follows_no_link(cluster: Cluster, precious: Path) -> None:
    """S1 a: a container may make links in its folder, to a folder and to a file."""
    (cluster.run_folder(0) / "adapter").symlink_to(precious)
    (cluster.run_folder(0) / "data").symlink_to(precious / "data")
    delete_everywhere(cluster)
    assert (precious / "data").read_text() == "mine"


@pytest.mark.parametrize("name", [
    "../.local-lib-site", "/etc/autostart", "..", "", "x[/]", OTHER, "a b-0a1b2c", RUN + "/..",
    RUN + "\n", "-rf-0a1b2c",
])  # fmt: skip
def test_a_record_has_the_name_of_its_folder(cluster: Cluster, name: str) -> None:
    """S1 c: no path is made of a name that a file tells."""
    as_before(cluster, forged(cluster, run=name))
    assert "record" in why(read(cluster))
    with pytest.raises(RunError, match="is unreadable"):
        read(cluster).find(RUN)


def test_last_is_the_newest_by_the_clocks_of_the_nodes(cluster: Cluster) -> None:
    """S1 c, and a laptop whose clock is ahead: nothing was begun later than now."""
    ahead = cluster.record.created + timedelta(days=36_500)
    as_before(cluster, forged(cluster, created=ahead.isoformat()))
    reading = read(cluster)
    assert reading.clock is not None
    assert reading.find("last").record.created <= reading.clock


def test_stop_and_logs_touch_nothing_that_a_container_has_linked(
    cluster: Cluster, precious: Path
) -> None:
    """S1 d."""
    cluster.engine.tasks_now = both("running")
    folder = cluster.run_folder(0)
    (folder / "stop").symlink_to(precious / "made")
    (folder / RankFiles(0).log).symlink_to(precious / "data")
    (folder / RankFiles(0).verdict).symlink_to(precious / "data")
    run = read(cluster).find(RUN)
    spec = spec_of(cluster.folder / "spark-a")
    with pytest.raises(SparkctlError):
        control.stop(spec, run, cluster.nodes, sleep=lambda _: None)
    assert not (precious / "made").exists()
    assert list(read_logs(run.record.ranks, cluster.nodes)) == []
    assert control.log_sizes(run.record, cluster.nodes) == {0: 0, 1: 0}
    assert run.ranks[0].verdict is None


def test_a_pipe_in_the_place_of_a_file_is_not_waited_for(cluster: Cluster) -> None:
    names = RankFiles(0)
    for name in (names.log, names.verdict, names.heartbeat, names.metrics, names.attempts, "stop"):
        os.mkfifo(cluster.run_folder(0) / name)
    run = read(cluster).find(RUN)
    assert list(read_logs(run.record.ranks, cluster.nodes)) == []
    assert run.ranks[0].heartbeat is None


def test_a_node_speaks_for_its_own_rank_only(cluster: Cluster) -> None:
    cluster.judge(state="failed", rank=0, message="spark-b says so")
    verdict = cluster.run_folder(1) / "verdict-rank0.json"
    (cluster.run_folder(1) / "verdict-rank1.json").rename(verdict)
    (cluster.run_folder(0) / "verdict-rank0.json").unlink()
    (cluster.run_folder(1) / "metrics-rank0.jsonl").write_text(event("step", 0, step=7) + "\n")
    run = read(cluster).find(RUN)
    assert run.verdict is None
    assert run.ranks[0].events == run.ranks[1].events == ()


@pytest.mark.parametrize("fields", [
    {"image": "evil", "images": {"spark-a": "sha256:evil"}},
    {"created": "2020-01-01T00:00:00Z"},
])  # fmt: skip
def test_what_a_resume_writes_anew_is_of_rank_0_s_node(
    cluster: Cluster, fields: dict[str, Any]
) -> None:
    """A resume that was cut between two nodes leaves a run that can be resumed."""
    cluster.remember(1, forged(cluster, **fields))
    assert read(cluster).find(RUN).record == cluster.record


@pytest.mark.parametrize("fields", [
    {"secrets": ["AWS_SECRET_ACCESS_KEY"]}, {"cluster": "other"},
    {"stack": {"name": "tiny-llama-lora", "base_image": "evil"}},
])  # fmt: skip
@pytest.mark.parametrize("liar", [0, 1])
def test_records_that_contradict_each_other_are_one_row(
    cluster: Cluster, fields: dict[str, Any], liar: int
) -> None:
    cluster.remember(liar, forged(cluster, **fields))
    assert why(read(cluster)) == "spark-a and spark-b have different records of it"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"version": 2, "run": 7}', "written by a newer sparkctl (version 2)"),
        ('{"version": true}', "its record cannot be understood"),
        ("{}", "its record cannot be understood: run: this key is missing"),
        ("[]", "its record cannot be understood"),
        ("[" * 100_000, "its record cannot be understood"),
        ('{"version": 1', "its record cannot be understood"),
        ("", "its record is missing"),
        ("\xff" * 10, "its record cannot be understood"),
        ("x" * (2**20 + 1), "its record cannot be understood"),
    ],
)
def test_a_record_that_cannot_be_read_is_one_row(
    cluster: Cluster, text: str, expected: str
) -> None:
    cluster.remember(0, text)
    cluster.remember(1, text)
    (cluster.run_folder(0) / RankFiles(0).log).write_text("2026\n")
    cluster.judge()
    assert why(read(cluster)).startswith(expected)


def places(change: Callable[[list[dict[str, Any]]], object]) -> Callable[[Cluster], str]:
    def made(cluster: Cluster) -> str:
        ranks = json.loads(cluster.record.model_dump_json())["ranks"]
        change(ranks)
        return forged(cluster, ranks=ranks)

    return made


@pytest.mark.parametrize(
    "record",
    [
        places(lambda ranks: ranks.clear()),
        places(lambda ranks: ranks.reverse()),
        places(lambda ranks: ranks.pop(0)),
        places(lambda ranks: ranks[1].update(rank=7)),
        places(lambda ranks: ranks[1].update(node="spark-a")),
        places(lambda ranks: [rank.update(node="spark-z") for rank in ranks[:1]]),
        lambda cluster: forged(cluster, stack={}),
        lambda cluster: forged(cluster, stack={"name": ["x"]}),
        lambda cluster: forged(cluster, created="2026-01-01T00:00:00"),
    ],
)
def test_ranks_that_contradict_are_one_row(
    cluster: Cluster, record: Callable[[Cluster], str]
) -> None:
    text = record(cluster)
    cluster.remember(0, text)
    cluster.remember(1, text)
    assert "record" in why(read(cluster))


def test_a_node_without_the_record_is_no_contradiction(cluster: Cluster) -> None:
    (cluster.folder / "spark-b" / ".records" / RUN / "run.json").unlink()
    (cluster.run_folder(1) / RankFiles(1).log).write_text("2026\n")
    assert read(cluster).find(RUN).record == cluster.record


def test_other_runs_are_shown_beside_an_unreadable_one(cluster: Cluster) -> None:
    for node in cluster.nodes:
        (cluster.folder / node / OTHER).mkdir()
        (cluster.folder / node / OTHER / "run.json").write_text("{}")
    reading = read(cluster)
    assert [run.name for run in reading.runs] == [RUN]
    assert [run.name for run in reading.unreadable] == [OTHER]
    assert reading.find(RUN[:-6] + "0").name == RUN
    assert isinstance(reading.find_any(OTHER), Unreadable)


def test_an_unreadable_run_that_lives_is_not_deleted_in_passing(cluster: Cluster) -> None:
    cluster.engine.tasks_now = both("running")
    as_before(cluster, "{}")
    (one,) = read(cluster).unreadable
    spec = spec_of(cluster.folder / "spark-a")
    with pytest.raises(RunError, match="is unreadable") as caught:
        control.delete(spec, one, {"spark-a": cluster.nodes["spark-a"]})
    assert "--force" in str(caught.value.resolution)
    control.delete(spec, one, {"spark-a": cluster.nodes["spark-a"]}, force=True)
    assert not cluster.run_folder(0).exists()


BAD = ["", "{", "[]", "7", "null", '{"attempt": 1}', '{"run": 1, "state": []}', '{"step": "x"}',
       '{"event":"step","rank":0}', "\x00", "[" * 5000]  # fmt: skip


@pytest.mark.parametrize("text", BAD)
@pytest.mark.parametrize("kind", ["verdict", "attempts", "heartbeat", "metrics"])
def test_one_bad_file_is_one_rank_s(cluster: Cluster, kind: str, text: str) -> None:
    cluster.engine.tasks_now = both("running")
    name = str(getattr(RankFiles(1), kind))
    (cluster.run_folder(1) / name).write_text(text)
    good = event("step", 0, step=3) + "\n"
    (cluster.run_folder(0) / RankFiles(0).metrics).write_text(good)
    run = read(cluster).find(RUN)
    assert run.state == "running" and len(run.ranks[0].events) == 1
    seen = run.ranks[1]
    assert (seen.verdict, seen.attempts, seen.heartbeat, seen.events) == (None, (), None, ())
    assert seen.unreadable == ((name,) if text and kind in ("verdict", "heartbeat") else ())


def test_a_verdict_of_another_run_is_none(cluster: Cluster) -> None:
    cluster.judge(run=OTHER)
    run = read(cluster).find(RUN)
    assert (run.verdict, run.ranks[0].unreadable) == (None, (RankFiles(0).verdict,))


def test_a_node_that_prints_anything_is_understood_or_passed_over(cluster: Cluster) -> None:
    from orchestrator.runs.node_runs import parse_node_runs

    odd: dict[str, str | bytes] = {
        "": "", "/": "", "x": "", "/folder": b"\xff", "/clock": "not a time", "a/b/c": "",
        "../x/record": "{}", f"{RUN}\n/record": "{}", f"{RUN}/size": "-1", "\x00\x01": "",
    }  # fmt: skip
    told = parse_node_runs("spark-a", encode(odd))
    assert (told.clock, dict(told.runs)) == (None, {})
    with pytest.raises(RemoteError, match="cannot be parsed"):
        parse_node_runs("spark-a", b"bash: warning\n")


def test_reading_is_one_round_trip_and_names_are_not_code(cluster: Cluster) -> None:
    odd = cluster.folder / "spark-a" / "$(touch never)-0a1b2c"
    odd.mkdir()
    (odd / "run.json").write_text("{}")
    spec = spec_of(cluster.folder / "spark-a")
    reading = read_runs(spec, {"spark-a": cluster.nodes["spark-a"]})
    assert cluster.connections["spark-a"].scripts == 1
    assert [run.name for run in reading.runs] == [RUN]


def test_a_size_that_is_none_is_an_error_of_its_node() -> None:
    place = RankPlace(rank=0, node="spark-b", address="", interface="", folder="/r/x")
    record = RunRecord.model_construct(ranks=(place,))
    node = Node("spark-b", FakeConnection(lambda script: "a lot"))
    with pytest.raises(RemoteError, match="the output of spark-b cannot be parsed"):
        control.log_sizes(record, {"spark-b": node})
