"""As shipped recipes train: bfloat16 and checkpointed activations; sharded it is the same, bit by
bit."""

from pathlib import Path

import pytest

from tests.support.ranks.nodes import Nodes
from tests.support.ranks.recipe import TINY
from tests.support.ranks.run import Run
from training.contract.events import Result, Start

pytestmark = [pytest.mark.torch, pytest.mark.filterwarnings("ignore")]


def test_slices_learn_what_copies_learn(nodes: Nodes, tmp_path: Path) -> None:
    sums = set()
    for strategy in ("ddp", "sharded"):
        config = TINY | {
            "model": TINY["model"] | {"dtype": "bfloat16"},
            "loop": {"max_steps": 6, "per_device_batch_size": 4, "gradient_checkpointing": True},
            "parallel": TINY["parallel"] | {"strategy": strategy},
        }
        run = Run(tmp_path / strategy, nodes.caches, config, 2)
        assert run.finish() == [0, 0], run.stderr(0)
        assert run.events(0, Start)[0].strategy == strategy
        (result,) = run.events(0, Result)
        assert result.eval_loss_last and result.eval_loss_first
        assert result.eval_loss_last < result.eval_loss_first
        sums.add(result.weights_sha256)
    assert len(sums) == 1
