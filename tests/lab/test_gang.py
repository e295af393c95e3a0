"""What breaks while two machines train: the run comes to its end, with the same losses.

Real containers, dockerd, swarm, reboots. What it costs is told in docs/reliability.md.
"""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from orchestrator.lab.wait import until
from tests.lab.machine import Machine
from tests.lab.sparkctl import Ran, Sparkctl

STEPS = 120
SETTINGS = {
    "training.loop.max_steps": STEPS,
    "training.loop.eval_every": 0,
    "training.checkpoint.every": 10,
    "gang.backoff_seconds": 1,
}
FABRIC = "enp1s0f1np1"
RUNS = "/home/nvidia/sparkctl/runs"
DEADLINE = 240
MEASURED = Path(__file__).parents[2] / ".pytest_cache" / "gang-drills.jsonl"
"""Where each drill leaves what it cost; docs/reliability.md quotes it."""


@dataclass
class Run:
    """A run that goes on while something is done to it."""

    name: str
    sparkctl: Sparkctl
    machines: Mapping[str, Machine]

    def told(self, rank: int = 0) -> list[dict[str, Any]]:
        """The events of a rank so far."""
        file = f"{RUNS}/{self.name}/metrics-rank{rank}.jsonl"
        code, text = self.machines[f"spark-{'ab'[rank]}"].attempt("cat", file)
        return [] if code else [json.loads(line) for line in text.splitlines() if line[-1:] == "}"]

    def reach(self, step: int) -> None:
        """Wait for it."""
        until(
            lambda: any(e["event"] == "step" and e["step"] >= step for e in self.told()),
            what=f"step {step}",
            deadline_seconds=DEADLINE,
        )

    def losses(self) -> dict[int, float]:
        """By step; of one that was made twice the last time counts."""
        return {e["step"]: e["loss"] for e in self.told() if e["event"] == "step"}

    def steps_made_twice(self) -> int:
        """Lost with the attempts that ended."""
        lost = last = 0
        for event in self.told():
            if event["event"] == "resumed":
                lost += last - event["step"]
            last = event["step"] if event["event"] == "step" else last
        return lost

    def longest_pause(self) -> float:
        """Seconds between two steps of rank 0, by the times in its log."""
        log = self.machines["spark-a"].read(f"{RUNS}/{self.name}/log-rank0.txt").decode()
        times = [
            datetime.fromisoformat(line.partition(" ")[0])
            for line in log.splitlines()
            if '{"event":"step"' in line
        ]
        return max((b - a).total_seconds() for a, b in pairwise(times))

    def follow(self, expect: int = 0) -> Ran:
        """To the end."""
        return self.sparkctl("runs", "follow", self.name, expect=expect)

    @contextmanager
    def followed(self) -> "Iterator[subprocess.Popen[str]]":
        """Somebody watches from now on."""
        command = [sys.executable, "-m", "orchestrator", "-f", str(self.sparkctl.file)]
        process = subprocess.Popen(
            [*command, "runs", "follow", self.name],
            cwd=self.sparkctl.file.parent, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        try:
            first = process.stdout.readline() if process.stdout else ""
            assert first, process.communicate()
            yield process
        finally:
            process.kill()
            process.communicate()

    def show(self) -> dict[str, Any]:
        """`runs show --json`."""
        document = self.sparkctl("runs", "show", self.name, "--json").json()
        run: dict[str, Any] = document["runs"][0]
        return run


@pytest.fixture(scope="module")
def begin(machines: dict[str, Machine], module_up: Sparkctl) -> Callable[..., Run]:
    """Start a run and leave it alone."""

    def start(**settings: object) -> Run:
        given = SETTINGS | {key.replace("__", "."): value for key, value in settings.items()}
        options = [word for key, value in given.items() for word in ("--set", f"{key}={value}")]
        ran = module_up("train", "tiny-llama-lora", "--detach", *options)
        name = next(
            line.split()[1].rstrip(":") for line in ran.stdout.splitlines() if "run " in line
        )
        return Run(name, module_up, machines)

    return start


@pytest.fixture(scope="module")
def undisturbed(begin: Callable[..., Run]) -> dict[int, float]:
    """The losses of a run that nothing happens to."""
    run = begin()
    run.follow()
    assert sorted(run.losses()) == list(range(1, STEPS + 1))
    return run.losses()


def container(machine: Machine) -> str:
    return machine.run("docker", "ps", "-q", "--filter", "label=sparkctl.run").split()[0]


def kill_worker(machine: Machine) -> None:
    machine.run("pkill", "-9", "-f", "training.train")


def kill_container(machine: Machine) -> None:
    machine.run("docker", "kill", container(machine))


def reboot(machine: Machine) -> None:
    machine.container.restart(timeout=20)


def restart_docker(machine: Machine) -> None:
    machine.run("systemctl", "restart", "docker")


def stop_docker_for_a_while(machine: Machine) -> None:
    machine.run("systemctl", "stop", "docker.socket", "docker")
    machine.run("sleep", "20")
    machine.run("systemctl", "start", "docker.socket", "docker")


def cut_fabric(machine: Machine) -> None:
    machine.run("ip", "link", "set", FABRIC, "down")
    machine.run("sleep", "20")
    machine.run("ip", "link", "set", FABRIC, "up")


@pytest.mark.parametrize(
    ("what", "node"),
    [
        pytest.param(kill_worker, "spark-b", id="kill -9 of rank 1's trainer"),
        pytest.param(kill_container, "spark-b", id="docker kill of rank 1"),
        pytest.param(kill_container, "spark-a", id="docker kill of rank 0"),
        pytest.param(restart_docker, "spark-b", id="dockerd restarted under rank 1"),
        pytest.param(
            stop_docker_for_a_while, "spark-a", id="the manager's dockerd stopped for 20 s"
        ),
        pytest.param(cut_fabric, "spark-b", id="fabric cut for 20 s"),
        pytest.param(reboot, "spark-b", id="reboot of rank 1's node"),
        pytest.param(reboot, "spark-a", id="reboot of rank 0's node, the manager"),
    ],
)
def test_the_run_comes_to_its_end_with_the_same_losses(
    what: Callable[[Machine], None],
    node: str,
    begin: Callable[..., Run],
    undisturbed: dict[int, float],
    machines: dict[str, Machine],
    request: pytest.FixtureRequest,
) -> None:
    run = begin()
    run.reach(20)
    with run.followed() as follower:  # it sees machine and engine go and come back
        run.reach(35)  # between two checkpoints
        what(machines[node])
        said, complaints = follower.communicate(timeout=DEADLINE)
    assert follower.returncode == 0, complaints
    assert "succeeded" in said
    assert run.losses() == undisturbed
    shown = run.show()
    assert (shown["state"], shown["step"]) == ("succeeded", STEPS)
    costs = {
        "attempts": shown["attempts"],
        "steps made twice": run.steps_made_twice(),
        "longest pause between steps (s)": round(run.longest_pause(), 1),
    }
    measured(request.node.callspec.id, costs)
    for machine in machines.values():
        assert machine.run("docker", "ps", "-q", "--filter", "label=sparkctl.run").strip() == ""


def test_a_full_disk_ends_a_run_that_goes_on_when_there_is_room(
    begin: Callable[..., Run],
    undisturbed: dict[int, float],
    machines: dict[str, Machine],
    later: Callable[[Callable[[], object]], None],
) -> None:
    full = machines["spark-b"]
    owner = full.run("stat", "-c", "uid=%u,gid=%g,mode=%a", RUNS).strip()
    full.run("mount", "-t", "tmpfs", "-o", f"size=4g,{owner}", "tmpfs", RUNS)
    later(lambda: full.run("umount", "--lazy", RUNS))
    run = begin()
    run.reach(25)
    struck = full.run("date", "-u", "+%FT%T.%NZ").strip()
    full.run("mount", "-o", "remount,size=64m", RUNS)
    full.attempt("dd", "if=/dev/zero", f"of={RUNS}/filler", "bs=64K")  # until nothing fits
    failed = run.follow(expect=10)
    assert f"no space is left for {RUNS}/{run.name}" in failed.stderr
    verdict = run.show()["verdict"]
    assert (verdict["code"], verdict["rank"], verdict["node"]) == ("disk_full", 1, "spark-b")
    assert verdict["attempts"] == 1
    took = datetime.fromisoformat(verdict["ended"]) - datetime.fromisoformat(struck)
    measured("verdict after the disk of rank 1 was full", {"s": took.total_seconds()})

    full.run("rm", f"{RUNS}/filler")
    full.run("mount", "-o", "remount,size=4g", RUNS)
    assert f"succeeded  {run.name}" in run.sparkctl("runs", "resume", run.name).stdout
    assert run.losses() == undisturbed
    run.sparkctl("runs", "rm", run.name, "--yes")


def measured(what: str, costs: Mapping[str, object]) -> None:
    """Keep it for who writes the docs; it decides nothing."""
    MEASURED.parent.mkdir(exist_ok=True)
    with MEASURED.open("a") as file:
        file.write(json.dumps({"what": what} | costs) + "\n")
