"""A rank that works gives a sign of life before every forward pass, however many make a step."""

import os
from pathlib import Path
from typing import Any

import pytest

from training.contract.config import TrainingConfig

pytestmark = [pytest.mark.torch, pytest.mark.filterwarnings("ignore")]


def test_every_forward_pass_is_a_sign_of_life(tmp_path: Path) -> None:
    """Four passes a step of minutes are four signs, not one: silence is measured between them."""
    from training.ranks.events import EventLog

    class Log(EventLog):
        beats: list[tuple[str, int | None]] = []  # noqa: RUF012 - of this one test

        def beat(self, phase: str, step: int | None = None) -> None:
            self.beats.append((phase, step))

    log = Log(os.open(os.devnull, os.O_WRONLY), 0)
    trainer = _trainer(log, tmp_path, steps=2, accumulation=4, held_out=5)
    trainer.train()
    trainer.evaluate()
    looked_at = [("evaluating", 0)] * 3  # five rows, two at a time
    passes = [("training", 0)] * 4 + [("training", 1)] * 4
    assert log.beats == [*looked_at, *passes, *[("evaluating", 2)] * 3]


def _trainer(log: Any, folder: Path, *, steps: int, accumulation: int, held_out: int) -> Any:
    from transformers import LlamaConfig, LlamaForCausalLM
    from trl import SFTConfig

    from training.builtin.tiny import make_tokenizer
    from training.loop.planned import BatchPlan
    from training.loop.trainer import CountingTrainer
    from training.tokens.tokens import Sequences, TokenList, Tokens

    rows = TokenList.of(Tokens([n + 3] * 5, [n + 3] * 5) for n in range(30))
    loop = {"per_device_batch_size": 2, "gradient_accumulation_steps": accumulation}
    config = TrainingConfig.model_validate(
        {
            "model": {"name": "builtin:tiny-llama"},
            "data": {"name": "builtin:instructions", "max_length": 10},
            "loop": loop | {"max_steps": steps},
        }
    )
    batch_plan = BatchPlan.of(
        Sequences(rows[held_out:], rows[:held_out]), config, "padding-free", 1, 0
    )
    shape = {"hidden_size": 8, "intermediate_size": 8, "num_hidden_layers": 1}
    return CountingTrainer(
        events=log,
        batch_plan=batch_plan,
        model=LlamaForCausalLM(LlamaConfig(vocab_size=512, num_attention_heads=1, **shape)),
        args=SFTConfig(
            str(folder),
            use_cpu=True,
            bf16=False,
            max_length=None,
            report_to=[],
            save_strategy="no",
            eval_on_start=True,
            max_steps=steps,
            gradient_accumulation_steps=accumulation,
        ),
        processing_class=make_tokenizer(),
    )
