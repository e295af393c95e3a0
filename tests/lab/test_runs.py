"""Runs seen from a computer that may go away: verdicts, takeover, fetch, compare."""

import hashlib
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from orchestrator.lab.wait import until
from tests.lab.machine import Machine
from tests.lab.sparkctl import Sparkctl
from tests.lab.test_gang import RUNS, Run, measured


@contextmanager
def training(sparkctl: Sparkctl, *settings: str) -> Iterator["subprocess.Popen[str]"]:
    """`sparkctl train tiny-llama-lora`, which somebody watches."""
    options = [word for setting in settings for word in ("--set", setting)]
    command = [sys.executable, "-m", "orchestrator", "-f", str(sparkctl.file)]
    process = subprocess.Popen(
        [*command, "train", "tiny-llama-lora", *options],
        cwd=sparkctl.file.parent, env=os.environ | sparkctl.env, stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def names(sparkctl: Sparkctl) -> set[str]:
    """Of all runs."""
    return {run["run"] for run in sparkctl("runs", "list", "--json").json()["runs"]}


def test_no_attempts_left(machines: dict[str, Machine], module_up: Sparkctl) -> None:
    """Rank 1 cannot save at step 5: root has taken the folder."""
    ran = module_up(
        "train", "tiny-llama-lora", "--detach", "--set", "gang.attempts=1",
        "--set", "training.checkpoint.every=5",
    )  # fmt: skip
    run = Run(ran.stdout.split()[1].rstrip(":"), module_up, machines)
    folder = f"{RUNS}/{run.name}"
    machines["spark-b"].run("mkdir", "-p", f"{folder}/checkpoints/rank1")
    failed = run.follow(expect=10)
    assert "rank 1 on spark-b failed at step 5" in failed.stderr
    assert "Permission denied" in failed.stderr
    verdict = run.show()["verdict"]
    assert (verdict["state"], verdict["rank"], verdict["node"]) == ("failed", 1, "spark-b")
    assert any("PermissionError" in line for line in verdict["tail"])

    log = machines["spark-b"].read(f"{folder}/log-rank1.txt").decode().splitlines()
    raised = next(line for line in log if '{"event":"error"' in line).split()[0]
    took = datetime.fromisoformat(verdict["ended"]) - datetime.fromisoformat(raised)
    measured("verdict after rank 1 raised, no attempts left", {"s": took.total_seconds()})
    assert module_up("runs", "list", "--json").json()["runs"][0]["state"] == "failed"
    for machine in machines.values():
        assert machine.run("docker", "ps", "-q").strip() == ""
    assert machines["spark-a"].run("docker", "service", "ls", "-q").strip() == ""


def test_the_computer_that_started_it_may_die(
    machines: dict[str, Machine], module_up: Sparkctl, tmp_path: Path
) -> None:
    before = names(module_up)
    with training(module_up, "training.loop.max_steps=150", "training.checkpoint.every=10") as one:
        (name,) = until(
            lambda: names(module_up) - before or None, what="a run", deadline_seconds=120
        )
        run = Run(name, module_up, machines)
        run.reach(5)
        one.send_signal(signal.SIGKILL)
        one.wait()
    other = Sparkctl(module_up.file, module_up.env | {"HOME": str(tmp_path / "empty")})
    (tmp_path / "empty").mkdir()
    assert other("runs", "show", "last", "--json").json()["runs"][0]["state"] == "running"
    followed = other("runs", "follow", run.name)
    assert f"succeeded  {run.name}" in followed.stdout

    fetched = other("runs", "fetch", run.name, "--to", str(tmp_path / "here"))
    here = tmp_path / "here" / run.name
    assert str(here) in fetched.stdout
    files = {str(file.relative_to(here)) for file in here.rglob("*") if file.is_file()}
    assert {
        "run.json", "adapter/adapter_model.safetensors", "adapter/README.md", "log-rank0.txt",
        "log-rank1.txt", "metrics-rank0.jsonl", "metrics-rank1.jsonl", "result-rank1.json",
    } <= files  # fmt: skip
    for name in files:
        node = machines["spark-b" if "rank1" in name else "spark-a"]
        # Where no container can write.
        kept = ".records/" if name in {"run.json", "deploy.json"} else ""
        there = node.run("sha256sum", f"{RUNS}/{kept}{run.name}/{name}").split()[0]
        assert hashlib.sha256((here / name).read_bytes()).hexdigest() == there
    again = other("runs", "fetch", run.name, "--to", str(tmp_path / "here"), expect=10)
    assert "is there already" in again.stderr
    assert list((tmp_path / "here").iterdir()) == [here]
    _interrupted_fetch(other, run, tmp_path / "again")


def test_stop_resume_compare_logs_rm(machines: dict[str, Machine], module_up: Sparkctl) -> None:
    ran = module_up(
        "train", "tiny-llama-lora", "--detach", "--set", "training.loop.max_steps=100",
        "--set", "training.checkpoint.every=1000", "--set", "training.loop.eval_every=0",
    )  # fmt: skip
    run = Run(ran.stdout.split()[1].rstrip(":"), module_up, machines)
    run.reach(5)
    stopped = module_up("runs", "stop", run.name).stdout
    assert "stopped at step" in stopped
    assert run.show()["state"] == "stopped"
    step = run.show()["step"]
    assert 5 <= step < 100
    assert machines["spark-a"].run("docker", "service", "ls", "-q").strip() == ""

    module_up("cluster", "down", "--yes")  # runs stay; images go, and the swarm's IDs
    module_up("cluster", "up", "--yes")
    went_on = module_up("runs", "resume", run.name).stdout
    assert f"resumes after step {step}" in went_on
    assert f"succeeded  {run.name}" in went_on
    assert sorted(run.losses()) == list(range(1, 101))
    assert run.steps_made_twice() == 0

    slow = "sleep 3; touch $SPARKCTL_RUN_DIR/told"
    alone = module_up(
        "train", "tiny-llama-lora", "--set", "training.loop.max_steps=20", "--set", "nodes.max=1",
        "--set", f"gang.hooks=[{{on: [succeeded], command: [sh, -c, '{slow}']}}]",
    ).stdout.split()[1].rstrip(":")  # fmt: skip
    machines["spark-a"].run("test", "-e", f"{RUNS}/{alone}/told")  # it was let finish
    compared = module_up("runs", "compare", run.name, alone, "--json").json()
    settings = {one["key"]: one["values"] for one in compared["settings"]}
    assert settings["training.loop.max_steps"] == [100, 20]
    assert settings["nodes"] == ["spark-a, spark-b", "spark-a"]
    results = {one["key"]: one["values"] for one in compared["results"]}
    assert results["step"] == [100, 20]
    assert all(results["weights sha256"])

    lines = module_up("runs", "logs", run.name, "--events").stdout.splitlines()
    assert {line.split()[2] for line in lines} == {"0", "1"}
    assert lines == sorted(lines, key=lambda line: line.split()[0])
    only = module_up("runs", "logs", run.name, "--events", "--rank", "1", "--since", "1s").stdout
    assert all(" rank 1 " in line for line in only.splitlines())

    module_up("runs", "rm", alone, "--yes")
    assert machines["spark-a"].attempt("test", "-e", f"{RUNS}/{alone}")[0] == 1
    assert alone not in module_up("runs", "list").stdout


def _interrupted_fetch(other: Sparkctl, run: Run, to: Path) -> None:
    """Two gigabytes, and Ctrl-C half-way: gone at once, and what has come does not come again."""
    made = f"{RUNS}/{run.name}/adapter"
    fill = "for n in $(seq 16); do head -c 128M /dev/zero >more-$n; done"
    run.machines["spark-a"].run("sh", "-c", f"cd {made} && {fill}")
    command = [sys.executable, "-m", "orchestrator", "-f", str(other.file)]
    process = subprocess.Popen(
        [*command, "runs", "fetch", run.name, "--to", str(to)],
        env=os.environ | other.env, stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        part = to / f".{run.name}.part" / "adapter"
        until(lambda: len(list(part.glob("more-*"))) > 5, what="six files", deadline_seconds=240)
        began = time.monotonic()
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=30)
        measured("Ctrl-C in a fetch of 2 GB", {"s": round(time.monotonic() - began, 1)})
        assert process.returncode == 130
    finally:
        process.kill()
        process.communicate()
    assert not (to / run.name).exists()
    again = other("runs", "fetch", run.name, "--to", str(to))
    here = re.search(r"(\d+) of them are here already", again.stdout + again.stderr)
    assert here and int(here[1]) >= 5
    assert {file.stat().st_size for file in (to / run.name / "adapter").glob("more-*")} == {2**27}
    run.machines["spark-a"].run("sh", "-c", f"rm {made}/more-*")
