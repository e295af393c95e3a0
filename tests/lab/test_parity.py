"""Two machines learn what one does: the same losses.

Every method and strategy is in tests/training/test_parity.py, on processes of one machine.
"""

import json
from itertools import pairwise

from tests.lab.machine import Machine
from tests.lab.sparkctl import Sparkctl

STEPS = 50
BATCH = 8
"""Sequences in a pass of one of two machines; alone a machine takes twice as many."""


def test_fifty_losses_are_those_of_one_process(
    machines: dict[str, Machine], module_up: Sparkctl
) -> None:
    stack, how = "tiny-llama-lora", "training.parallel.strategy=sharded"
    alone = losses(stack, machines["spark-a"], module_up, "nodes.max=1", batch(2 * BATCH))
    assert len(alone) == STEPS and alone[-1] < 0.5 * alone[0]
    assert max(abs(a - b) for a, b in pairwise(alone)) > 0.01  # 1e-4 can tell them apart
    together = losses(stack, machines["spark-a"], module_up, how, batch(BATCH))
    assert max(abs(a - b) for a, b in zip(alone, together, strict=True)) <= 1e-4


def batch(size: int) -> str:
    return f"training.loop.per_device_batch_size={size}"


def losses(stack: str, node: Machine, sparkctl: Sparkctl, *settings: str) -> list[float]:
    """The loss of every step of one run."""
    every = (*settings, f"training.loop.max_steps={STEPS}", "training.loop.eval_every=0")
    options = [word for setting in every for word in ("--set", setting)]
    said = sparkctl("train", stack, *options).stdout
    run = next(line.split()[1] for line in said.splitlines() if line.startswith("succeeded"))
    world = 1 if "nodes.max=1" in settings else 2
    how = "sharded" if "training.parallel.strategy=sharded" in settings else "ddp"
    assert f"world size {world}, {how}" in said
    lines = node.read(f"/home/nvidia/sparkctl/runs/{run}/metrics-rank0.jsonl").splitlines()
    return [told["loss"] for line in lines if (told := json.loads(line))["event"] == "step"]
