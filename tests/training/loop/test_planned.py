"""The trainer takes the plan's batches, every rank its own, from any step on."""

from pathlib import Path
from typing import Any

import pytest

from training.contract.config import TrainingConfig

pytestmark = [pytest.mark.torch, pytest.mark.filterwarnings("ignore")]


def _trainer(folder: Path, batching: str, **loop: Any) -> Any:
    from transformers import LlamaConfig, LlamaForCausalLM
    from trl import SFTConfig

    from training.builtin.tiny import make_tokenizer
    from training.loop.planned import BatchPlan, PlannedTrainer
    from training.tokens.tokens import Sequences, TokenList, Tokens

    rows = TokenList.of(Tokens([n + 3] * (2 + n % 9), [n + 3] * (2 + n % 9)) for n in range(30))
    config = TrainingConfig.model_validate(
        {
            "model": {"name": "builtin:tiny-llama"},
            "data": {"name": "builtin:instructions", "max_length": 10},
            "loop": {"per_device_batch_size": 3, "gradient_accumulation_steps": 2, **loop},
        }
    )
    batch_plan = BatchPlan.of(Sequences(rows[:25], rows[25:]), config, batching, ranks=2, pad=0)  # type: ignore[arg-type]
    shape = {"hidden_size": 8, "intermediate_size": 8, "num_hidden_layers": 1}
    return PlannedTrainer(
        batch_plan,
        model=LlamaForCausalLM(LlamaConfig(vocab_size=512, num_attention_heads=1, **shape)),
        args=SFTConfig(str(folder), use_cpu=True, bf16=False, max_length=None, report_to=[]),
        processing_class=make_tokenizer(),
    )


@pytest.mark.parametrize("batching", ["padding-free", "packed", "padded"])
def test_going_on_at_a_step_skips_exactly_what_was_seen(batching: str, tmp_path: Path) -> None:
    from accelerate import skip_first_batches

    trainer = _trainer(tmp_path, batching, epochs=2)
    whole = [_rows(batch) for batch in trainer.get_train_dataloader()]
    planned = [[row + 3 for row in batch] for batch in trainer.batch_plan.train[::2]]
    assert whole == planned
    assert len(whole) == trainer.batch_plan.steps * 2
    for step in range(trainer.batch_plan.steps):
        rest = skip_first_batches(trainer.get_train_dataloader(), 2 * step)
        assert [_rows(batch) for batch in rest] == planned[2 * step :]


def test_packed_rows_are_fewer_and_full(tmp_path: Path) -> None:
    packed, free = (_trainer(tmp_path, kind).batch_plan for kind in ("packed", "padding-free"))
    assert packed.steps < free.steps
    lengths = packed.sequences.train.lengths
    assert max(sum(lengths[row] for row in batch) for batch in packed.train) > 3 * 10 - 11
    assert all(sum(lengths[row] for row in batch) <= 3 * 10 for batch in packed.train)


def test_the_held_out_loss_is_the_mean_of_all_tokens(tmp_path: Path) -> None:
    """Not of batch means: the same however the rows are put together."""
    from dataclasses import replace

    from training.data.batches import held_out

    trainer = _trainer(tmp_path, "padding-free")
    alone = replace(trainer.batch_plan.shape, ranks=1)
    trainer.batch_plan = replace(trainer.batch_plan, shape=alone, held_out=held_out(5, alone))
    whole = trainer.evaluate()["eval_loss"]
    one_row = replace(alone, rows=1)
    trainer.batch_plan = replace(trainer.batch_plan, held_out=held_out(5, one_row))
    assert len(trainer.batch_plan.held_out) == 5
    assert trainer.evaluate()["eval_loss"] == pytest.approx(whole, rel=1e-6)


def _rows(batch: dict[str, Any]) -> list[int]:
    """Which rows are in a batch: each is made of one token of its own."""
    found = [int(token) for token in batch["input_ids"].flatten() if token]
    return list(dict.fromkeys(found))
