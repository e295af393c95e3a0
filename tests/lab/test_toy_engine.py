"""An engine of somebody's own, plain Python in a folder of its own, on two machines."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.lab.machine import Machine
from tests.lab.sparkctl import Sparkctl
from tests.lab.test_gang import RUNS, Run, kill_container
from training.contract.verdict import RESTS_ON

HERE = Path(__file__).parent
RECIPE, FOLDER = HERE / "toy.yaml", HERE / "toy_engine"
STEPS = 60
FEW = ("--set", "training.loop.max_steps=12")


def start(sparkctl: Sparkctl, machines: dict[str, Machine], *options: str) -> Run:
    """It goes on by itself."""
    ran = sparkctl("train", str(RECIPE), "--trust-recipe", "--detach", *options)
    name = next(line.split()[1].rstrip(":") for line in ran.stdout.splitlines() if "run " in line)
    return Run(name, sparkctl, machines)


def log(run: Run, rank: int) -> str:
    return (
        run.machines[f"spark-{'ab'[rank]}"].read(f"{RUNS}/{run.name}/log-rank{rank}.txt").decode()
    )


def test_it_is_small_and_knows_nothing_of_us() -> None:
    files = [
        path for path in FOLDER.rglob("*") if path.is_file() and "__pycache__" not in str(path)
    ]
    assert sum(len(path.read_text().splitlines()) for path in files) <= 60
    imported = re.findall(r"^\s*(?:import|from) ([\w.]+)", (FOLDER / "toy.py").read_text(), re.M)
    ours = [name for name in imported if name.partition(".")[0] in ("training", "orchestrator")]
    assert imported and [name for name in ours if not name.startswith("training.contract")] == []


def test_it_trains_on_two_nodes_and_its_result_comes(
    machines: dict[str, Machine], module_up: Sparkctl, tmp_path: Path
) -> None:
    ran = module_up("train", str(RECIPE), "--trust-recipe", "--json", *FEW)
    lines: list[dict[str, Any]] = [json.loads(line) for line in ran.stdout.splitlines()]
    told = [(line["rank"], line["event"]) for line in lines if line["kind"] == "event"]
    for rank in (0, 1):
        steps = [event for by, event in told if by == rank and event["event"] == "step"]
        assert [event["step"] for event in steps] == list(range(1, 13))
        assert (steps[3]["loss"], steps[3]["total_steps"]) == (0.25, 12)
    assert {"saved", "verdict"} <= {event["event"] for _, event in told}
    ended = lines[-1]
    assert (ended["kind"], ended["state"]) == ("ended", "succeeded")
    assert RESTS_ON["exit code"] in ended["brief"]

    run = Run(lines[0]["run"], module_up, machines)
    shown = run.show()
    assert (shown["state"], shown["step"], shown["total_steps"]) == ("succeeded", 12, 12)
    assert shown["verdict"]["message"] == RESTS_ON["exit code"]
    module_up("runs", "fetch", run.name, "--to", str(tmp_path))
    here = tmp_path / run.name
    assert (
        here / "result.txt"
    ).read_text() == "12 steps of builtin:tiny-llama on builtin:instructions\n"
    assert (here / "metrics-rank1.jsonl").exists() and not (here / "checkpoints").exists()


def test_killed_it_goes_on_from_its_checkpoint(
    machines: dict[str, Machine], module_up: Sparkctl
) -> None:
    run = start(module_up, machines)
    run.reach(15)
    kill_container(machines["spark-b"])
    said = run.follow().stdout
    assert f"succeeded  {run.name}" in said and "proof: exit code" in said
    shown = run.show()
    assert (shown["state"], shown["step"], shown["attempts"]) == ("succeeded", STEPS, 2)
    for rank in (0, 1):
        begun_again = log(run, rank).partition("goes on after ")[2]
        after = int(begun_again.split()[0])
        assert after >= 10
        steps = [int(step) for step in re.findall(r" step=(\d+) loss", begun_again)]
        assert steps == list(range(after + 1, STEPS + 1))
    assert sorted(run.losses()) == list(range(1, STEPS + 1))


def test_alone_it_is_no_success(
    machines: dict[str, Machine],
    module_up: Sparkctl,
    later: Callable[[Callable[[], object]], None],
) -> None:
    """Rank 1 cannot reach rank 0's supervisor. Both containers end with 0, as Swarm wants it."""
    rule = ["OUTPUT", "-p", "tcp", "--dport", "29501", "-j", "DROP"]
    machines["spark-b"].run("iptables", "-I", *rule)
    later(lambda: machines["spark-b"].run("iptables", "-D", *rule))
    run = start(
        module_up, machines, "--skip-check", "port", "--set", "gang.join_seconds=5", *FEW
    )  # fmt: skip
    failed = run.follow(expect=10)
    assert "rank 1 on spark-b" in failed.stderr and "did not come within 5 s" in failed.stderr
    verdict = run.show()["verdict"]
    assert (verdict["state"], verdict["code"], verdict["rank"]) == ("failed", "rank_missing", 1)
    assert "step=" not in log(run, 0)
    assert machines["spark-a"].attempt("test", "-e", f"{RUNS}/{run.name}/result.txt")[0] == 1
