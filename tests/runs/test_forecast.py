"""What a run will take is told, or refused, before anything changes."""

from dataclasses import replace

import pytest

from orchestrator.runs.base_model import BaseModel
from orchestrator.runs.foresee import foresee
from orchestrator.runs.launch import prepare
from orchestrator.spec.load import load_stack
from orchestrator.ui.dry_run_view import expected_lines
from tests.runs.test_prepare import taken_in
from tests.support.clusters import sparks
from tests.support.published import PUBLISHED
from tests.support.recipes import OURS
from training.plan.estimate import Work
from training.plan.known import KNOWN
from training.plan.memory import GIB
from training.plan.understand import understand

TOKEN = {"HF_TOKEN": "x"}


def lines(stack: str, *settings: str, machines: int = 2) -> str:
    spec = sparks(machines)
    read = load_stack(stack, settings)
    name = read.training.model.name if read.training else ""
    base = BaseModel(understand(PUBLISHED[name]["config"])) if name in PUBLISHED else None
    prepared = prepare(spec, read, taken_in(spec), TOKEN, base=base)
    return "\n".join(expected_lines(foresee(prepared, {}, secrets={}, powers=())))


@pytest.mark.parametrize("name", OURS)
def test_every_shipped_stack_fits_on_two_sparks(name: str) -> None:
    said = lines(name)
    assert "of 119 GiB" in said
    assert ("tokens/s" in said) == (not name.startswith("tiny"))
    assert "more than a node can spare" not in said
    training = load_stack(name).training
    assert training is not None and training.model.name in KNOWN.keys() | PUBLISHED.keys()


def test_memory_speed_and_how_the_work_is_shared_are_told() -> None:
    said = lines("llama3-70b-lora")
    assert "strategy: sharded: the base is sharded over the ranks (FSDP2)" in said
    assert "weights 65.7" in said
    assert "(estimated, not measured)" in said
    assert "strategy: ddp: every rank has a whole copy (DDP)" in lines("llama3-8b-lora")


def test_a_packed_pass_is_told_as_full_as_it_gets() -> None:
    """One row of 2048 tokens, however many sequences are in it."""
    config = load_stack("llama3-70b-lora").training
    assert config.loop.batching == "packed"
    assert Work.most(config).tokens == config.data.max_length == 2048
    four = lines("llama3-70b-lora", "training.loop.per_device_batch_size=4")
    assert "activations 14.0" in four and "activations 3.4" in lines("llama3-70b-lora")


def test_what_a_gpu_has_of_its_own_counts_where_it_is_less() -> None:
    spec = sparks(2)
    world = {
        name: replace(facts, gpu_memory_bytes=80 * GIB) for name, facts in taken_in(spec).items()
    }
    found = prepare(spec, load_stack("llama3-8b-lora"), world, TOKEN).forecast
    assert found is not None and found.there == 80 * GIB


def test_on_a_machine_where_others_hold_memory_more_is_computed_again() -> None:
    """What `gang.memory_floor` keeps free is not there for a run either."""
    spec = sparks(2)
    world = taken_in(spec)
    for free, floor, again in (
        (116, 0.05, "selective"), (85, 0.05, "selective"), (70, 0.05, True), (85, 0.3, True),
    ):  # fmt: skip
        busy = {"spark-b": replace(world["spark-b"], memory_available_bytes=free * GIB)}
        stack = load_stack("llama3-8b-lora", (f"gang.memory_floor={floor}",))
        found = prepare(spec, stack, world | busy, TOKEN).forecast
        assert found is not None and found.recompute == again
        assert found.memory.peak <= (free - floor * 119) * GIB


def test_of_a_model_that_is_not_known_nothing_is_told() -> None:
    said = lines("tiny-llama-lora", "training.model.name=someone/something")
    assert not any(word in said for word in ("strategy:", "memory:", "tokens/s"))


def test_without_machines_it_is_told_for_sparks() -> None:
    prepared = prepare(sparks(2), load_stack("llama3-70b-lora"), None, {})
    assert prepared.forecast and prepared.forecast.there is None
    told = expected_lines(foresee(prepared, {}, secrets={}, powers=()))
    assert any(
        "at most 81.0 GiB a node, activations computed again: weights 65.7" in line for line in told
    )
