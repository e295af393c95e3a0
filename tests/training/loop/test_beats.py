"""A rank that works gives a sign of life before every forward pass, however many make a step."""

from pathlib import Path
from typing import Any

import pytest

from training.contract.config import TrainingConfig

pytestmark = [pytest.mark.torch, pytest.mark.filterwarnings("ignore")]


def _training(folder: Path, held_out: int, **loop: Any) -> Any:
    from transformers import LlamaConfig, LlamaForCausalLM

    from tests.support.ranks.alone import alone
    from training.tokens.tokens import Tokens

    rows = [Tokens([n + 3] * (2 + n % 9), [n + 3] * (2 + n % 9)) for n in range(30)]
    config = TrainingConfig.model_validate(
        {
            "model": {"name": "builtin:tiny-llama", "dtype": "float32"},
            "method": {"kind": "full"},
            "data": {"name": "builtin:instructions", "max_length": 10},
            "loop": {"per_device_batch_size": 2} | loop,
        }
    )
    shape = {"hidden_size": 8, "intermediate_size": 8, "num_hidden_layers": 1}
    model = LlamaForCausalLM(LlamaConfig(vocab_size=512, num_attention_heads=1, **shape))
    return alone(model, rows[held_out:], rows[:held_out], config, folder)


def test_every_forward_pass_is_a_sign_of_life(tmp_path: Path) -> None:
    """Four passes a step of minutes are four signs, not one: silence is measured between them."""
    training, log = _training(tmp_path, 5, max_steps=2, gradient_accumulation_steps=4)
    training.train()
    looked_at = [("evaluating", 0)] * 3  # five rows, two at a time
    passes = [("training", 0)] * 4 + [("training", 1)] * 4
    assert log.beats == [*looked_at, *passes, *[("evaluating", 2)] * 3]


def test_the_held_out_loss_is_the_mean_of_all_tokens(tmp_path: Path) -> None:
    """Not of batch means: the same however the rows are put together."""
    import torch

    losses = []
    for rows in (1, 2, 5):
        torch.manual_seed(0)
        training, _ = _training(tmp_path, 5, max_steps=1, per_device_batch_size=rows)
        losses.append(training.evaluate())
    assert losses == pytest.approx([losses[0]] * 3, rel=1e-6)
