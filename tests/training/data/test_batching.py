"""What `batching: auto` becomes, and what it never changes."""

from dataclasses import replace
from typing import Any

import pytest
from pydantic import ValidationError

from training.contract.config import TrainingConfig
from training.data.batches import steps
from training.data.batching import FEW_TOKENS, SMALL, Circumstances, choose, shape, told
from training.plan.estimate import Work

SHORT, LONG = [110] * 5000, [1900] * 500
HERE = Circumstances(apart=True, parameters=8 * 10**9, sharded=False, ranks=1, lengths=LONG)


def config(**loop: Any) -> TrainingConfig:
    return TrainingConfig.model_validate(
        {
            "model": {"name": "org/model"},
            "data": {"name": "org/rows", "max_length": loop.pop("max_length", 2048)},
            "loop": {"per_device_batch_size": 8} | loop,
        }
    )


@pytest.mark.parametrize(
    ("here", "chosen"),
    [
        (HERE, "padding-free"),
        (replace(HERE, lengths=SHORT), "packed"),
        (replace(HERE, lengths=SHORT, apart=False), "padded"),
        (replace(HERE, lengths=SHORT, parameters=SMALL - 1), "padding-free"),
        (replace(HERE, lengths=SHORT, before="padding-free"), "padding-free"),
        (replace(HERE, before="packed"), "packed"),
        # Two of them do not fit into a room: packing would save no pass.
        (replace(HERE, lengths=[1100] * 5000, sharded=True, ranks=2), "padding-free"),
        (replace(HERE, lengths=[250] * 4500 + [1100] * 500), "padding-free"),
    ],
)
def test_auto_packs_where_passes_are_dear(here: Circumstances, chosen: str) -> None:
    assert choose(config(), here) == chosen


@pytest.mark.parametrize("wanted", ["padding-free", "packed", "padded"])
def test_a_wish_is_a_wish(wanted: str) -> None:
    assert choose(config(batching=wanted), replace(HERE, lengths=SHORT)) == wanted


def test_of_a_sharded_base_the_passes_of_a_step_are_packed_whatever_they_hold() -> None:
    here, several = replace(HERE, lengths=[700] * 5000), config(gradient_accumulation_steps=4)
    assert choose(several, here) == "padding-free"
    assert choose(several, replace(here, sharded=True, ranks=2)) == "packed"


def test_a_room_is_as_large_as_the_recipe_says() -> None:
    assert shape(config(batching="packed"), 2, "packed").room == 8 * 2048
    assert shape(config(tokens_per_pass=4096), 2, "packed").room == 4096
    assert shape(config(tokens_per_pass=4096), 2, "padding-free").room is None


def test_with_accumulation_auto_leaves_rows_in_their_steps() -> None:
    assert shape(config(gradient_accumulation_steps=4), 1, "packed").merged
    assert not shape(config(), 1, "packed").merged
    assert not shape(config(batching="packed", gradient_accumulation_steps=4), 1, "packed").merged


def test_auto_fills_passes_until_they_are_not_dear_and_no_further() -> None:
    """Every row more in a step is a step less; 480 of alpaca's were two steps of two ranks."""
    assert shape(config(), 2, "packed").room == FEW_TOKENS
    assert shape(config(per_device_batch_size=1, max_length=512), 2, "packed").room == 512
    assert shape(config(gradient_accumulation_steps=4), 2, "packed").room == 8 * 2048


@pytest.mark.parametrize(
    ("loop", "said"),
    [
        ({}, "278 optimizer steps of some 18 rows instead of 625 of 8"),
        ({"epochs": 1.5}, "417 optimizer steps of some 18 rows instead of 938 of 8"),
        ({"max_steps": 9}, "9 optimizer steps of some 18 rows instead of 9 of 8"),
        ({"gradient_accumulation_steps": 4}, "1.0 a step instead of 4, of the same rows"),
    ],
)
def test_what_packing_makes_of_steps_is_told(loop: dict[str, Any], said: str) -> None:
    here, chosen = replace(HERE, lengths=SHORT), config(**loop)
    cut, goes_on = shape(chosen, 1, "packed"), chosen.loop
    made = steps(SHORT, cut, goes_on.seed, goes_on.epochs, goes_on.max_steps)
    assert said in told(chosen, here, made)


@pytest.mark.parametrize(
    "loop", [{}, {"gradient_accumulation_steps": 4}, {"tokens_per_pass": 4096}]
)
def test_no_pass_is_larger_than_the_estimate_has_it(loop: dict[str, Any]) -> None:
    chosen, lengths = config(**loop), SHORT + LONG
    most = Work.most(chosen).tokens
    for batching in ("padding-free", "packed"):
        made = steps(lengths, shape(chosen, 2, batching), 1, 1.0, None)  # type: ignore[arg-type]
        assert max(sum(lengths[r] for r in batch) for s in made for p in s for batch in p) <= most


def test_a_room_holds_the_longest_row() -> None:
    with pytest.raises(
        ValidationError, match=r"tokens_per_pass 1024 is less than data\.max_length"
    ):
        config(tokens_per_pass=1024)
