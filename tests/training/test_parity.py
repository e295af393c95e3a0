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


def losses(folder: Path, nodes: Nodes, stack: str, strategy: str, ranks: int) -> list[float]:
    """The loss of every step of one run of a shipped stack."""
    run = Run(folder, nodes.caches, recipe(stack, strategy, 2 * BATCH // ranks), ranks)
    assert run.finish() == [0] * ranks, run.stderr(0)
    (start,) = run.events(0, Start)
    assert (start.world_size, start.strategy) == (ranks, strategy)
    return [step.loss for step in run.events(0, Step) if step.loss is not None]


def recipe(stack: str, strategy: str, batch: int) -> dict[str, Any]:
    """What the stack trains, for `STEPS` steps."""
    document: dict[str, Any] = load_stack(stack).training.model_dump(mode="json")
    document["loop"] |= {"max_steps": STEPS, "eval_every": 0, "per_device_batch_size": batch}
    document["parallel"]["strategy"] = strategy
    return document
