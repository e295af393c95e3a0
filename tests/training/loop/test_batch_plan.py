"""The work of each step is the plan's, every rank its own, from any step on."""

from typing import Any

import pytest

from training.contract.config import TrainingConfig

pytestmark = [pytest.mark.torch, pytest.mark.filterwarnings("ignore")]


def _plan(batching: Any, **loop: Any) -> Any:
    from training.data.batching import shape
    from training.data.collate import Collate
    from training.loop.batch_plan import BatchPlan
    from training.tokens.tokens import Sequences, TokenList, Tokens

    rows = TokenList.of(Tokens([n + 3] * (2 + n % 9), [n + 3] * (2 + n % 9)) for n in range(30))
    config = TrainingConfig.model_validate(
        {
            "model": {"name": "builtin:tiny-llama"},
            "data": {"name": "builtin:instructions", "max_length": 10},
            "loop": {
                "per_device_batch_size": 3,
                "gradient_accumulation_steps": 2,
                "batching": batching,
                **loop,
            },
        }
    )
    collate = Collate(0 if batching == "padded" else None)
    sequences = Sequences(rows[:25], rows[25:])
    return BatchPlan.of(sequences, config, shape(config, 2, batching), collate)


@pytest.mark.parametrize("batching", ["padding-free", "packed", "padded"])
def test_going_on_at_a_step_skips_exactly_what_was_seen(batching: str) -> None:
    from training.loop.feeding import feed

    plan = _plan(batching, epochs=2)
    for rank in (0, 1):
        whole = [list(map(_rows, work.batches)) for work in feed(plan, rank, 0, pin=False)]
        planned = [[row + 3 for row in batch] for step in plan.train for batch in step[rank]]
        assert [batch for step in whole for batch in step] == planned
        assert len(whole) == plan.steps
        for step in range(plan.steps):
            rest = list(feed(plan, rank, step, pin=False))
            assert [work.step for work in rest] == list(range(step + 1, plan.steps + 1))
            assert [list(map(_rows, work.batches)) for work in rest] == whole[step:]


def test_each_rank_knows_what_all_of_them_have() -> None:
    """So no collective is needed for it."""
    from training.data.collate import real_tokens
    from training.loop.feeding import feed

    plan = _plan("padding-free", epochs=2)
    for one, other in zip(*(feed(plan, rank, 0, pin=False) for rank in (0, 1)), strict=True):
        both = [*one.batches, *other.batches]
        assert one.tokens == sum(map(real_tokens, one.batches))
        assert one.all_tokens == other.all_tokens == sum(map(real_tokens, both))
        counted = sum(len(batch["targets"]) for batch in both)
        assert one.counted == other.counted == counted


def test_what_cannot_be_made_ready_is_told_where_it_is_used(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from training.data.collate import Collate
    from training.loop.feeding import feed

    def broken(self: Any, rows: Any) -> Any:
        raise ValueError("no such row")

    monkeypatch.setattr(Collate, "__call__", broken)
    with pytest.raises(ValueError, match="no such row"):
        next(feed(_plan("padding-free"), 0, 0, pin=False))


def test_packed_rows_are_fewer_and_full() -> None:
    packed, free = (_plan(batching, epochs=8) for batching in ("packed", "padding-free"))
    assert packed.steps < free.steps
    lengths = packed.sequences.train.lengths
    full = [sum(lengths[r] for r in batch) for s in packed.train for p in s for batch in p]
    assert 3 * 10 - 11 < max(full) <= 3 * 10


def test_evaluations_keep_within_the_budget_of_a_pass() -> None:
    usual = _plan("packed")
    small = _plan("packed", tokens_per_pass=10)
    assert [len(plan.held_out_of(0)) for plan in (usual, small)] == [1, 2]
    assert all(len(batch) <= 2 for batch in small.held_out)


def _rows(batch: dict[str, Any]) -> list[int]:
    """Which rows are in a batch: each is made of one token of its own."""
    found = [int(token) for token in batch["input_ids"].flatten() if token]
    return list(dict.fromkeys(found))
