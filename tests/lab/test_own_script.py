"""A training script as people have it, under the engine `script`, on two machines.

CPUs are where accelerate's launchers train two models of their own, in silence: without
ACCELERATE_USE_CPU each rank is alone, though both exit with 0 and their losses fall.
"""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.lab.machine import Machine
from tests.lab.sparkctl import Sparkctl
from tests.lab.test_gang import RUNS, Run, kill_container
from tests.lab.test_toy_engine import log
from training.gang.proof import NOT_ONE_GANG, NOT_SHARDED

RECIPE = Path(__file__).parent / "own_script.yaml"
STEPS = 20
ALONE = ("--set", "env.ACCELERATE_USE_CPU='false'")
FSDP = ("--set", "script.accelerate=fsdp-lora")
LOAD = """
import json
from peft import PeftModel
from transformers import AutoModelForCausalLM
adapted = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained("base"), "final")
print(json.dumps([float(p.abs().sum()) for n, p in adapted.named_parameters() if "lora_B" in n]))
"""
STAND_IN = ("--set", "env.LAB_FSDP_ON_CPU='1'")
"""orchestrator/lab/files/train/lab_fsdp_on_cpu.py"""


def start(sparkctl: Sparkctl, machines: dict[str, Machine], *options: str) -> Run:
    ran = sparkctl("train", str(RECIPE), "--trust-recipe", "--detach", *options)
    name = next(line.split()[1].rstrip(":") for line in ran.stdout.splitlines() if "run " in line)
    return Run(name, sparkctl, machines)


def losses(run: Run) -> list[float]:
    """As the script itself has kept them."""
    text = run.machines["spark-a"].read(f"{RUNS}/{run.name}/work/losses.json").decode()
    found: list[float] = [float(loss) for loss in json.loads(text)]
    return found


@pytest.fixture(scope="module")
def together(machines: dict[str, Machine], module_up: Sparkctl) -> Run:
    """DDP by `accelerate launch`, to its end."""
    run = start(module_up, machines)
    said = run.follow().stdout
    assert f"succeeded  {run.name}" in said and "proof: gang" in said, said
    return run


def test_ddp_is_one_gang_whose_adapter_comes_and_loads(
    together: Run, module_up: Sparkctl, tmp_path: Path
) -> None:
    shown = together.show()
    assert (shown["state"], shown["step"], shown["total_steps"]) == ("succeeded", STEPS, STEPS)
    assert "(2 ranks, gloo, DistributedDataParallel)" in shown["verdict"]["message"]
    kept = together.losses()
    assert list(kept) == list(range(1, STEPS + 1))
    assert list(kept.values()) == pytest.approx(losses(together)) and kept[STEPS] < kept[1]

    module_up("runs", "fetch", together.name, "--to", str(tmp_path))
    loaded = subprocess.run(
        [sys.executable, "-c", LOAD],
        cwd=tmp_path / together.name / "work", capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert loaded.returncode == 0, loaded.stderr
    sums = json.loads(loaded.stdout)
    assert len(sums) == 14 and min(sums) > 0


def test_by_torchrun_killed_it_goes_on_from_its_own_checkpoint_to_the_same_losses(
    together: Run, machines: dict[str, Machine], module_up: Sparkctl
) -> None:
    slow = ("--set", "env.SLOW='1'", "--set", "script.launcher=torchrun")
    run = start(module_up, machines, *slow)
    run.reach(11)
    kill_container(machines["spark-b"])
    said = run.follow().stdout
    assert f"succeeded  {run.name}" in said and "proof: gang" in said, said
    assert run.show()["attempts"] == 2
    resumed = [event["step"] for event in run.told() if event["event"] == "resumed"]
    assert resumed == [8]
    assert '"event":"resumed","rank":1,"step":8' in log(run, 1)
    assert losses(run) == pytest.approx(losses(together), rel=1e-5)


def test_fsdp_shards_and_has_the_losses_of_ddp(
    together: Run, machines: dict[str, Machine], module_up: Sparkctl
) -> None:
    run = start(module_up, machines, *FSDP, *STAND_IN)
    said = run.follow().stdout
    message = run.show()["verdict"]["message"]
    assert f"succeeded  {run.name}" in said and "DTensor" in message, said
    words = message.partition(" weights on a rank")[0].split()
    local, whole = (int(words[at].replace(",", "")) for at in (-3, -1))
    assert local == pytest.approx(whole / 2, rel=0.01)
    assert losses(run) == pytest.approx(losses(together), rel=1e-4)


def test_fsdp_that_does_not_shard_ends_as_failed(
    machines: dict[str, Machine], module_up: Sparkctl
) -> None:
    run = start(module_up, machines, *FSDP)
    failed = run.follow(expect=10)
    assert "so the model is not sharded" in failed.stderr
    assert run.show()["verdict"]["code"] == NOT_SHARDED


def test_two_solo_trainings_end_as_failed_by_name(
    machines: dict[str, Machine], module_up: Sparkctl
) -> None:
    run = start(module_up, machines, *ALONE)
    failed = run.follow(expect=10)
    assert "2 solo trainings" in failed.stderr
    verdict = run.show()["verdict"]
    assert (verdict["state"], verdict["code"]) == ("failed", NOT_ONE_GANG)


def test_unwatched_they_look_like_a_success_of_another_model(
    together: Run, machines: dict[str, Machine], module_up: Sparkctl
) -> None:
    """Which is why the grade is said, before and after."""
    run = start(module_up, machines, *ALONE, "--set", "script.proof=exit code")
    said = run.follow().stdout
    assert f"succeeded  {run.name}" in said and "proof: exit code" in said
    alone = losses(run)
    assert alone[-1] < alone[0]
    assert alone != pytest.approx(losses(together), rel=1e-3)
