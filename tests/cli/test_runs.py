"""`sparkctl runs …` on two nodes whose run folders are on this computer."""

import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import requests

from orchestrator.api import connecting
from orchestrator.api import runs as used
from orchestrator.cli import progress
from orchestrator.errors import ConnectError, SparkctlError
from orchestrator.node.node import Node
from orchestrator.runs import control
from orchestrator.runs.follow import Timeouts
from orchestrator.runs.launch import Prepared, prepare
from orchestrator.runs.run import Run
from orchestrator.spec.cluster import ClusterSpec
from orchestrator.spec.load import load_cluster, load_stack
from orchestrator.ui import figures
from tests.cli.conftest import Ran, Sparkctl
from tests.runs.folders import RUN, Cluster, both, event, task
from tests.support.clusters import sparks
from training.contract.record import RunRecord


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cluster]:
    """Both nodes see the same folder here, each with its own rank in it."""
    made = Cluster(tmp_path / "nodes")
    shared = made.folder / "spark-a"
    record = made.record
    places = [p.model_copy(update={"folder": str(shared / RUN)}) for p in record.ranks]
    record = record.model_copy(update={"ranks": tuple(places)})
    made.remember(0, record.model_dump_json())
    (made.folder / "spark-b").rename(made.folder / "unused")
    (made.folder / "spark-b").symlink_to(shared)

    @contextmanager
    def connect_available(
        *_: object, **__: object
    ) -> Iterator[tuple[dict[str, Node], dict[str, Any]]]:
        errors: Mapping[str, SparkctlError] = {
            name: c.away for name, c in made.connections.items() if isinstance(c.away, ConnectError)
        }
        yield {n: node for n, node in made.nodes.items() if n not in errors}, dict(errors)

    monkeypatch.setattr(connecting, "connect_available", connect_available)

    def load(file: Path) -> ClusterSpec:
        spec = load_cluster(file)
        paths = spec.paths.model_copy(update={"runs": str(shared)})
        return spec.model_copy(update={"paths": paths})

    monkeypatch.setattr("orchestrator.api.files.load_cluster", load)
    yield made
    for connection in made.connections.values():
        connection.close()


@pytest.fixture
def removed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Runs whose services were taken off the swarm."""
    names: list[str] = []
    for module in (control, used):
        monkeypatch.setattr(module, "remove", lambda manager, run: names.append(run))
    return names


def test_no_runs(sparkctl: Sparkctl, cluster: Cluster) -> None:
    shutil.rmtree(cluster.folder / "spark-a" / ".records")
    assert sparkctl("runs", "list").stdout.startswith("no runs; begin one")
    assert json.loads(sparkctl("runs", "list", "--json").stdout)["runs"] == []


def test_list_and_show(sparkctl: Sparkctl, cluster: Cluster) -> None:
    cluster.engine.tasks_now = both("running")
    steps = [
        event("step", 0, step=n, total_steps=4, loss=5.0 - n, tokens_per_second=10.0)
        for n in (1, 2, 3)
    ]
    file = cluster.run_folder(0) / "metrics-rank0.jsonl"
    file.write_text("\n".join([event("data", 0), " " * 2**20, *steps]) + "\n")
    listed = sparkctl("runs", "list").stdout.splitlines()
    document = json.loads(sparkctl("runs", "list", "--json").stdout)
    assert document["runs"][0]["created"].endswith("Z")
    taken = figures.size(sum(rank["bytes"] for rank in document["runs"][0]["ranks"]))
    started = datetime.fromisoformat(document["runs"][0]["created"]).astimezone()
    assert listed[1].split() == [
        RUN, "running", "3/4", "2.0000", "10", *taken.split(), *f"{started:%Y-%m-%d %H:%M}".split(),
        "spark-a,", "spark-b",
    ]  # fmt: skip
    assert taken != "0 B"
    shown = sparkctl("runs", "show", "tiny").stdout
    assert "state       running" in shown
    assert "loss        4.0000 █▅▁ 2.0000" in shown
    assert "data        12 rows; 12 sequences of 90 tokens, 40 learned, the longest 9" in shown
    document = json.loads(sparkctl("runs", "show", "last", "--json").stdout)
    assert document["kind"] == "RunsReport"
    assert document["runs"][0]["losses"] == [4.0, 3.0, 2.0]
    assert document["runs"][0]["data"]["rows"] == 12


def test_a_node_that_is_away_is_said(sparkctl: Sparkctl, cluster: Cluster) -> None:
    cluster.connections["spark-b"].away = ConnectError("spark-b is off", node="spark-b")
    ran = sparkctl("runs", "list")
    assert (ran.code, ran.stderr) == (0, "not read: spark-b is off\n")
    assert RUN in ran.stdout
    assert sparkctl("runs", "follow", "last").code == 4


def test_a_name_that_is_none(sparkctl: Sparkctl, cluster: Cluster) -> None:
    ran = sparkctl("runs", "show", "nothing")
    assert ran.code == 10
    assert f"{RUN}  lost" in ran.stderr


def test_follow_of_a_run_that_has_ended(
    sparkctl: Sparkctl, cluster: Cluster, removed: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(used, "Timeouts", lambda: Timeouts(results=0))
    cluster.write(0, "text", event("result", 0, weights_sha256="ab" * 32, saved="/x/adapter"))
    cluster.judge()
    ran = sparkctl("runs", "follow", "last")
    assert ran.code == 0
    assert f"succeeded  {RUN}" in ran.stdout
    cluster.judge(state="failed", rank=1, node="spark-b", message="broke", tail=["its last line"])
    ran = sparkctl("runs", "follow", "last")
    assert ran.code == 10
    assert "rank 1 on spark-b failed at step 6: broke" in ran.stderr
    assert "its last line" in ran.stderr
    assert removed == [RUN, RUN]


def test_follow_takes_nothing_off_that_it_did_not_see_end(
    sparkctl: Sparkctl, cluster: Cluster, removed: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a rank that waits, and of services that were gone, only what was seen over is removed."""
    monkeypatch.setattr(used, "Timeouts", lambda: Timeouts(start=-1, broken=-1, results=0))
    cluster.engine.tasks_now = [task(0, "running"), task(1, "pending", Err="no suitable node")]
    ran = sparkctl("runs", "follow", "last")
    assert (ran.code, "rank 1 on spark-b pending: no suitable node" in ran.stderr) == (10, True)
    assert f"sparkctl runs stop {RUN}" in ran.stderr
    cluster.engine.tasks_now = []
    assert "its services were removed" in sparkctl("runs", "follow", "last").stderr
    assert removed == []
    cluster.engine.tasks_now = both("failed")
    assert sparkctl("runs", "follow", "last").code == 10
    assert removed == [RUN]


def test_without_the_manager_s_word_a_list_is_not_all_there_is(
    sparkctl: Sparkctl, cluster: Cluster
) -> None:
    def list_(*more: str) -> Ran:
        cluster.nodes["spark-a"]._docker = cluster.engine  # type: ignore[assignment]
        return sparkctl("runs", "list", *more)

    cluster.engine.trouble = requests.ConnectionError("the engine is dead")
    ran = list_()
    assert ran.code == 7
    assert ran.stdout.splitlines()[1].split()[:2] == [RUN, "unknown"]
    document = json.loads(list_("--json").stdout)
    assert document["runs"][0]["state"] == "unknown" and document["errors"]
    shutil.rmtree(cluster.folder / "spark-a" / ".records")
    ran = list_()
    assert (ran.code, ran.stdout) == (7, "")
    cluster.connections["spark-a"].away = ConnectError("spark-a is off", node="spark-a")
    ran = list_()
    assert (ran.code, ran.stdout) == (4, "")


def test_stop_asks_all_ranks_and_says_where_they_are(
    sparkctl: Sparkctl, cluster: Cluster, removed: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster.engine.tasks_now = both("running")

    def supervisors(_: float) -> None:
        assert (cluster.run_folder(0) / "stop").exists()
        cluster.judge(state="stopped", step=42)
        cluster.engine.tasks_now = both("complete")

    monkeypatch.setattr(control.stop, "__kwdefaults__", {"sleep": supervisors})
    ran = sparkctl("runs", "stop", "last")
    assert ran.code == 0
    assert ran.stdout.startswith(f"{RUN}: stopped at step 42\n")
    assert f"sparkctl runs resume {RUN}" in ran.stdout
    assert removed == [RUN]
    again = sparkctl("runs", "stop", "last")
    assert (again.code, "does not run: stopped" in again.stderr) == (10, True)


def test_resume_goes_on_after_what_is_known(
    sparkctl: Sparkctl, cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    watched: list[Any] = []
    prepared = replace(prepare(sparks(2), load_stack("tiny-llama-lora"), None), is_new=False)

    debugged: list[bool] = []

    def resumed(spec: object, run: Run, world: object, agree: object, *, debug: bool) -> Prepared:
        debugged.append(debug)
        return replace(prepared, record=run.record)

    def start(spec: object, prepared: Prepared, *_: object, **__: object) -> RunRecord:
        return prepared.record

    monkeypatch.setattr(used, "observe_machines", lambda *_, **__: {})
    monkeypatch.setattr(used, "prepare_resume", resumed)
    monkeypatch.setattr(used, "start", start)
    monkeypatch.setattr(progress, "watch", lambda _, run, *, as_json: watched.append(run.offsets))
    cluster.judge(state="stopped")
    cluster.write(0, "an old line")
    ran = sparkctl("runs", "resume", "last")
    assert (ran.code, ran.stdout) == (0, f"{RUN} resumed\n")
    assert watched == [{0: 40, 1: 0}]
    assert sparkctl("runs", "resume", "last", "--detach", "--debug").code == 0
    assert (len(watched), debugged) == (1, [False, True])


def test_a_success_is_not_started_again(
    sparkctl: Sparkctl, cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(used, "observe_machines", lambda *_, **__: {})
    cluster.judge()
    ran = sparkctl("runs", "resume", "last")
    assert (ran.code, "nothing to resume" in ran.stderr) == (10, True)


def test_rm(sparkctl: Sparkctl, cluster: Cluster, removed: list[str]) -> None:
    cluster.engine.tasks_now = both("running")
    refused = sparkctl("runs", "rm", "last", "--yes")
    assert (refused.code, f"sparkctl runs stop {RUN}" in refused.stderr) == (10, True)
    cluster.engine.tasks_now = []
    assert sparkctl("runs", "rm", "last").code != 0  # nobody is there to say yes
    assert cluster.run_folder(0).exists()
    assert sparkctl("runs", "rm", "last", "--yes").stdout == f"{RUN} is deleted\n"
    assert list((cluster.folder / "spark-a").iterdir()) == []
    assert removed == [RUN]


def test_follow_for_programs_is_an_object_a_line(
    sparkctl: Sparkctl, cluster: Cluster, removed: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(used, "Timeouts", lambda: Timeouts(results=0))
    cluster.write(0, "some text", event("step", 0, step=1, loss=0.5))
    cluster.judge(state="failed", rank=1, node="spark-b", message="broke", tail=[])
    ran = sparkctl("runs", "follow", "last", "--json")
    lines = [json.loads(line) for line in ran.stdout.splitlines()]
    assert ran.code == 10
    assert (lines[0]["kind"], lines[0]["run"], lines[0]["ranks"][1]["node"]) == (
        "run", RUN, "spark-b",
    )  # fmt: skip
    assert [line["kind"] for line in lines[1:]] == ["log", "event", "ended"]
    assert (lines[1]["rank"], lines[1]["text"]) == (0, "some text")
    assert lines[2]["event"]["loss"] == 0.5
    assert (lines[3]["state"], "broke" in lines[3]["brief"]) == ("failed", True)


def test_the_others_for_programs(sparkctl: Sparkctl, cluster: Cluster, removed: list[str]) -> None:
    cluster.write(0, "some text", event("step", 0, step=1))
    cluster.judge()
    (line,) = sparkctl("runs", "logs", "last", "--json").stdout.splitlines()
    assert json.loads(line)["text"] == "some text"
    fetched = json.loads(sparkctl("runs", "fetch", "last", "--to", "here", "--json").stdout)
    assert (fetched["run"], fetched["folder"]) == (RUN, f"here/{RUN}")
    gone = json.loads(sparkctl("runs", "rm", "last", "--yes", "--json").stdout)
    assert gone == {"run": RUN, "deleted": True}


def test_lines_that_are_followed_and_the_last_of_them(
    sparkctl: Sparkctl, cluster: Cluster, removed: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(used, "Timeouts", lambda: Timeouts(results=0))
    monkeypatch.setattr(used, "wait_for_exit", lambda manager, run: None)
    cluster.write(0, "one", "two", "three")
    at = f"{datetime.fromisoformat('2026-11-24T16:33:36+00:00').astimezone():%H:%M:%S}.000"
    ran = sparkctl("runs", "logs", "last", "--tail", "1")
    assert ran.stdout == f"{at} rank 0 three\n"
    cluster.judge(state="failed", rank=1, node="spark-b", message="broke", tail=["x"])
    ran = sparkctl("runs", "logs", "last", "-f", "--tail", "2")
    assert (ran.code, ran.stdout.splitlines()) == (
        0, [f"{at} rank 0 two", f"{at} rank 0 three"],
    )  # fmt: skip
    assert ran.stderr.startswith(f"{RUN}: rank 1 on spark-b failed at step 6")
    lines = sparkctl("runs", "logs", "last", "--follow", "--json").stdout.splitlines()
    assert [json.loads(line)["kind"] for line in lines] == ["log", "log", "log", "ended"]
    assert removed == [RUN, RUN]
    for more in ((), ("-f",)):
        ran = sparkctl("runs", "logs", "last", "--rank", "7", *more)
        assert (ran.code, f"{RUN} has no rank 7" in ran.stderr) == (10, True)


def test_lines_are_not_followed_where_a_machine_of_the_run_is_away(
    sparkctl: Sparkctl, cluster: Cluster
) -> None:
    cluster.connections["spark-b"].away = ConnectError("spark-b is off", node="spark-b")
    assert sparkctl("runs", "logs", "last").code == 0
    assert sparkctl("runs", "logs", "last", "-f").code == 4


def test_a_command_in_a_run_that_has_ended(sparkctl: Sparkctl, cluster: Cluster) -> None:
    ran = sparkctl("runs", "exec", "last", "--rank", "1", "--", "nvidia-smi", "-L")
    assert (ran.code, ran.stdout) == (10, "")
    assert f"{RUN} has no containers: it is lost" in ran.stderr
