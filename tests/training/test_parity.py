"""Two ranks learn what one does: the same losses, however the work is shared out.

On two machines tests/lab/test_parity.py shows it, for one method.
"""

from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from orchestrator.spec.load import load_stack
from tests.support.ranks.nodes import Nodes
from tests.support.ranks.run import Run
from training.contract.events import Start, Step

pytestmark = [pytest.mark.torch, pytest.mark.filterwarnings("ignore")]

STEPS = 50
FEW = 2
"""Sequences in a pass of one of two ranks, where each step takes two passes."""
BATCH = 8
"""Sequences in a pass of one of two ranks; alone a rank takes twice as many."""


@pytest.mark.parametrize(
    ("stack", "strategies"),
    [
        ("tiny-llama-lora", ["ddp"]),
        ("tiny-llama-full", ["sharded", "ddp"]),
        ("tiny-llama-qlora", ["ddp"]),
    ],
)
def test_fifty_losses_are_those_of_one_process(
    stack: str, strategies: list[str], nodes: Nodes, tmp_path: Path
) -> None:
    alone = losses(tmp_path / "alone", nodes, stack, "ddp", 1)
    assert len(alone) == STEPS and alone[-1] < 0.5 * alone[0]
    assert max(abs(a - b) for a, b in pairwise(alone)) > 0.01  # 1e-4 can tell them apart
    for strategy in strategies:
        together = losses(tmp_path / strategy, nodes, stack, strategy, 2)
        assert max(abs(a - b) for a, b in zip(alone, together, strict=True)) <= 1e-4


OPTIM: dict[str, object] = {
    "betas": [0.8, 0.95], "eps": 1e-5, "weight_decay": 0.1, "warmup_ratio": 0.3, "warmup_steps": 0,
    "schedule": "cosine", "min_lr": 1e-3, "lr": 4e-3,
}  # fmt: skip
"""Every option of the optimizer that loop/test_as_trl.py compares with trl, on one rank."""


@pytest.mark.parametrize(
    ("stack", "strategies", "optimizer"),
    [
        ("tiny-llama-lora", ["ddp", "sharded"], "adamw"),
        ("tiny-llama-full", ["sharded"], "adamw"),
        ("tiny-llama-lora", ["ddp"], "adamw_8bit"),
    ],
)
def test_shared_out_and_accumulated_an_optimizer_does_the_same_to_six_digits(
    stack: str, strategies: list[str], optimizer: str, nodes: Nodes, tmp_path: Path
) -> None:
    """The rows of one pass alone are those of two passes on two ranks."""
    if optimizer == "adamw_8bit":
        pytest.importorskip("bitsandbytes")
    options = OPTIM | {"name": optimizer}
    alone = steps(tmp_path / "alone", nodes, recipe(stack, "ddp", 4 * FEW, 8, options), 1)
    assert len({step.lr for step in alone}) == len({step.loss for step in alone}) == 8
    for strategy in strategies:
        shared = recipe(stack, strategy, FEW, 8, options)
        shared["loop"]["gradient_accumulation_steps"] = 2
        together = steps(tmp_path / strategy, nodes, shared, 2)
        for one, other in zip(together, alone, strict=True):
            assert one.lr == other.lr
            assert one.loss == pytest.approx(other.loss, rel=1e-6)
            assert one.grad_norm == pytest.approx(other.grad_norm, rel=1e-5)


def losses(folder: Path, nodes: Nodes, stack: str, strategy: str, ranks: int) -> list[float]:
    """The loss of every step of one run of a shipped stack."""
    told = steps(folder, nodes, recipe(stack, strategy, 2 * BATCH // ranks, STEPS), ranks)
    return [step.loss for step in told if step.loss is not None]


def steps(folder: Path, nodes: Nodes, config: dict[str, Any], ranks: int) -> list[Step]:
    """Every step of one run."""
    run = Run(folder, nodes.caches, config, ranks)
    assert run.finish() == [0] * ranks, run.stderr(0)
    (start,) = run.events(0, Start)
    assert (start.world_size, start.strategy) == (ranks, config["parallel"]["strategy"])
    return run.events(0, Step)


def recipe(
    stack: str, strategy: str, batch: int, count: int, optim: dict[str, object] | None = None
) -> dict[str, Any]:
    """What the stack trains, for so many steps."""
    document: dict[str, Any] = load_stack(stack).training.model_dump(mode="json")
    document["loop"] |= {"max_steps": count, "eval_every": 0, "per_device_batch_size": batch}
    document["parallel"]["strategy"] = strategy
    document["optim"] |= optim or {}
    return document
