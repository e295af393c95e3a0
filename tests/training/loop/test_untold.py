"""Saved between two `step` events, a training goes on as if nothing had happened: so do these."""

from pathlib import Path
from typing import Any

import pytest

from training.contract.config import TrainingConfig
from training.contract.environment import RunEnvironment

pytestmark = [pytest.mark.torch, pytest.mark.filterwarnings("ignore")]

CONFIG = TrainingConfig.model_validate(
    {
        "model": {"name": "builtin:tiny-llama", "dtype": "float32"},
        "data": {"name": "builtin:instructions", "max_length": 16},
        "optim": {"lr": 1e-2},
        "loop": {"max_steps": 6, "per_device_batch_size": 2, "log_every": 2},
        "checkpoint": {"every": 3},
    }
)


def test_a_mean_over_steps_before_and_after_a_restart(tmp_path: Path) -> None:
    from tests.support.ranks.alone import CPU
    from training.loop.checkpoint import Checkpoints
    from training.ranks.group import Group

    whole, log = training(tmp_path)
    whole.train()
    env = RunEnvironment(
        run_id="r", nonce="n", node="here", rank=0, world_size=1, run_dir=tmp_path,
        cache_dir=tmp_path, data_dir=tmp_path, launched_rank=0, launched_world_size=1, local_rank=0,
    )  # fmt: skip
    point = Checkpoints(tmp_path, Group(env, CPU), {}, 2, {}).negotiate()
    assert point is not None and point.step == 3
    rest, later = training(tmp_path)
    rest.train(point)

    def told(step: Any) -> tuple[object, ...]:
        return step.step, step.loss, step.grad_norm, step.lr, step.tokens

    assert [step.step for step in log.steps] == [2, 4, 6]
    assert [told(step) for step in later.steps] == [told(step) for step in log.steps[1:]]


def training(folder: Path) -> tuple[Any, Any]:
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    from tests.support.ranks.alone import alone
    from training.model import adapter
    from training.tokens.tokens import Tokens

    torch.manual_seed(0)
    shape = {"hidden_size": 8, "intermediate_size": 8, "num_hidden_layers": 1}
    base = LlamaForCausalLM(LlamaConfig(vocab_size=64, num_attention_heads=1, **shape))
    rows = [Tokens([n + 3] * (2 + n % 9), [n + 3] * (2 + n % 9)) for n in range(30)]
    model = adapter.attach(base, CONFIG.method, 0).model  # type: ignore[arg-type]
    return alone(model, rows[5:], rows[:5], CONFIG, folder)
