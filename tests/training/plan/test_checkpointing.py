"""How much is computed again: the least that fits, by the estimate."""

import pytest

from tests.training.plan.test_estimate import config
from training.plan.checkpointing import Recompute, recomputing, settle
from training.plan.estimate import memory
from training.plan.known import KNOWN
from training.plan.memory import GIB

SPARK = 119 * GIB
SHAPE = KNOWN["meta-llama/Llama-3.1-8B-Instruct"]
AUTO = config(
    data={"max_length": 2048}, loop={"per_device_batch_size": 4, "gradient_checkpointing": "auto"}
)


def peak(how: Recompute) -> int:
    return memory(SHAPE, recomputing(AUTO, how), "ddp", 2).peak


@pytest.mark.parametrize("how", [False, "selective"])
def test_what_does_not_fit_exactly_is_computed_again(how: Recompute) -> None:
    """Into what a machine has, and into what others leave of it."""
    assert settle(AUTO, SHAPE, "ddp", 2, SPARK, peak(how)) == how
    assert settle(AUTO, SHAPE, "ddp", 2, SPARK, peak(how) - 1) != how
    smallest = int(peak(how) / AUTO.parallel.gpu_memory_share)
    assert settle(AUTO, SHAPE, "ddp", 2, smallest + 2, SPARK) == how
    assert settle(AUTO, SHAPE, "ddp", 2, smallest - 2, SPARK) != how


def test_where_little_is_free_all_is_computed_again() -> None:
    assert settle(AUTO, SHAPE, "ddp", 2, SPARK, 0) is True
    assert settle(AUTO, None, "ddp", 2, SPARK, SPARK) is True


def test_who_says_it_is_believed() -> None:
    for how in (False, "selective", True):
        assert settle(recomputing(AUTO, how), SHAPE, "ddp", 2, SPARK, 0) == how
