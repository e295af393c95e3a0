"""What `batching: auto` becomes, and what it never changes."""

from dataclasses import replace
from typing import Any

import pytest
from pydantic import ValidationError

from training.contract.config import TrainingConfig
from training.data.batching import SMALL, Circumstances, choose, shape, told

SHORT, LONG = [110] * 5000, [1900] * 500
HERE = Circumstances(apart=True, parameters=8 * 10**9, sharded=False, ranks=1, lengths=LONG)


def config(**loop: Any) -> TrainingConfig:
    return TrainingConfig.model_validate(
        {
            "model": {"name": "org/model"},
            "data": {"name": "org/rows", "max_length": 2048},
            "loop": {"per_device_batch_size": 8} | loop,
        }
    )


@pytest.mark.parametrize(
    ("here", "chosen"),
    [
        (HERE, "padding-free"),
        (replace(HERE, lengths=SHORT), "packed"),
        (replace(HERE, sharded=True, ranks=2), "packed"),
        (replace(HERE, lengths=SHORT, apart=False), "padded"),
        (replace(HERE, lengths=SHORT, parameters=SMALL - 1), "padding-free"),
        (replace(HERE, lengths=SHORT, before="padding-free"), "padding-free"),
        (replace(HERE, before="packed"), "packed"),
    ],
)
def test_auto_packs_where_passes_are_dear(here: Circumstances, chosen: str) -> None:
    assert choose(config(), here) == chosen


@pytest.mark.parametrize("wanted", ["padding-free", "packed", "padded"])
def test_a_wish_is_a_wish(wanted: str) -> None:
    assert choose(config(batching=wanted), replace(HERE, lengths=SHORT)) == wanted


def test_a_room_is_as_large_as_the_recipe_says() -> None:
    assert shape(config(), 2, "packed").room == 8 * 2048
    assert shape(config(tokens_per_pass=4096), 2, "packed").room == 4096
    assert shape(config(tokens_per_pass=4096), 2, "padding-free").room is None


def test_with_accumulation_auto_leaves_rows_in_their_steps() -> None:
    assert shape(config(gradient_accumulation_steps=4), 1, "packed").merged
    assert not shape(config(), 1, "packed").merged
    assert not shape(config(batching="packed", gradient_accumulation_steps=4), 1, "packed").merged


def test_fewer_steps_are_told() -> None:
    here = replace(HERE, lengths=SHORT)
    assert "34 optimizer steps of more rows instead of 625" in (told(config(), here, 34) or "")
    assert told(config(gradient_accumulation_steps=4), here, 34) is None
    assert told(config(max_steps=9), here, 9) is None


def test_a_room_holds_the_longest_row() -> None:
    with pytest.raises(
        ValidationError, match=r"tokens_per_pass 1024 is less than data\.max_length"
    ):
        config(tokens_per_pass=1024)
