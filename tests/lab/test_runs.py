"""Runs seen from a computer that may go away: verdicts, takeover, fetch, compare, secrets."""

import hashlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from orchestrator.lab.wait import until
from tests.lab.machine import Machine
from tests.lab.sparkctl import Sparkctl
from tests.lab.test_gang import RUNS, Run, measured

TOKEN = "hf_planted_5e8c1d2f7a90"
KEY = "wandb_planted_91b7c0ffee44"


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
        (name,) = until(lambda: names(module_up) - before or None, what="a run", deadline_s=120)
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
    assert f"goes on after step {step}" in went_on
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


def test_a_token_is_found_nowhere(machines: dict[str, Machine], module_up: Sparkctl) -> None:
    """Neither while the run goes on, nor after it; what the ranks are told in a file is theirs."""
    sparkctl = Sparkctl(module_up.file, {"HF_TOKEN": TOKEN, "WANDB_API_KEY": KEY})
    seen: list[str] = []
    with training(
        sparkctl, "secrets=[{name: HF_TOKEN}, {name: WANDB_API_KEY}]", "training.loop.max_steps=40"
    ) as process:
        over = threading.Event()
        samplers = [
            threading.Thread(target=_sample, args=(machine, over, seen))
            for machine in machines.values()
        ]
        for sampler in samplers:
            sampler.start()
        said, complaints = process.communicate(timeout=240)
        over.set()
        for sampler in samplers:
            sampler.join()
    assert process.returncode == 0, complaints
    assert any("training.train" in text for text in seen)  # it was looked while it ran
    for text in (said, complaints, *seen):
        assert TOKEN not in text and KEY not in text
    for machine in machines.values():
        command = (
            f"grep -rslF -e {TOKEN} -e {KEY} / --exclude-dir=proc --exclude-dir=sys "
            "--exclude-dir=dev --exclude-dir=usr | head"
        )
        assert machine.attempt("sh", "-c", command)[1].strip() == ""
        assert TOKEN not in machine.run("sh", "-c", "journalctl --no-pager -q -o cat | cat")


def _sample(machine: Machine, over: threading.Event, seen: list[str]) -> None:
    """What anybody on the machine can see of a run: arguments, containers, services, logs."""
    look = """
ps -eo args
ids=$(docker ps -aq); [ -z "$ids" ] || docker inspect $ids; [ -z "$ids" ] || docker logs $ids
for kind in service config secret; do
  ids=$(docker $kind ls -q 2>/dev/null); [ -z "$ids" ] || docker $kind inspect $ids
done
"""
    while not over.is_set():
        seen.append(machine.attempt("sh", "-c", look)[1])
        over.wait(0.5)
