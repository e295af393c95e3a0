"""Our own engine: data like any other's, and it honours the whole schema."""

import json
from dataclasses import replace

import pytest

from orchestrator.engines.engine import set_keys
from orchestrator.engines.find import engine_of
from orchestrator.errors import SpecError
from orchestrator.runs.launch import prepare
from orchestrator.spec.load import load_stack
from tests.engines.jobs import job
from tests.support.clusters import sparks
from tests.support.recipes import OURS
from training.contract.config import TrainingConfig

TORCH = engine_of(load_stack("tiny-llama-lora"))


def test_the_name_of_before_is_taken() -> None:
    assert engine_of(load_stack("tiny-llama-lora", ("engine=accelerate",))) is TORCH
    assert load_stack("tiny-llama-lora").engine == "torch"
    prepared = prepare(sparks(2), load_stack("tiny-llama-lora", ("engine=accelerate",)), None, {})
    assert prepared.stack.engine == "accelerate"  # as it was written


def test_an_unknown_one_is_refused() -> None:
    with pytest.raises(SpecError, match="there is no engine named 'nemo'") as caught:
        prepare(sparks(2), load_stack("tiny-llama-lora", ("engine=nemo",)), None, {})
    assert "torch" in str(caught.value.resolution)


def test_it_honours_the_whole_schema() -> None:
    assert set(TORCH.spec.honours) == set(TrainingConfig.model_fields)
    assert TORCH.spec.proof == "proved"


@pytest.mark.parametrize("name", OURS)
def test_every_shipped_recipe_is_honoured(name: str) -> None:
    training = load_stack(name).training
    assert training is not None
    TORCH.ensure_settings_honoured(name, training)


def test_its_files() -> None:
    files = {file.name: file for file in TORCH.spec.files}
    training = load_stack("tiny-llama-lora").training.model_dump(mode="json")
    told = job(training)
    assert json.loads(TORCH.file(files["training"], told)) == training
    assert "machine_rank: 1\n" in TORCH.file(files["accelerate"], told, 1)
    assert 'main_process_ip: "10.0.0.0"\n' in TORCH.file(files["accelerate"], told, 1)


def test_a_key_that_is_set_and_not_honoured_is_refused_by_name() -> None:
    spec = TORCH.spec.model_copy(update={"name": "toy", "honours": ["model", "data.name", "loop"]})
    toy = replace(TORCH, spec=spec)
    base = {"model": {"name": "org/m"}, "data": {"name": "org/d"}, "loop": {"max_steps": 3}}
    toy.ensure_settings_honoured("mine", TrainingConfig.model_validate(base))
    more = base | {"optim": {"lr": 1e-4}, "method": {"kind": "full"}}  # 1e-4 is the default
    with pytest.raises(SpecError) as caught:
        toy.ensure_settings_honoured("mine", TrainingConfig.model_validate(more))
    said = "mine: the engine toy does not honour training.method.kind, training.optim.lr"
    assert str(caught.value.brief) == said
    assert "training.loop" in str(caught.value.resolution)


def test_only_what_is_written_is_set() -> None:
    training = {"model": {"name": "org/m"}, "data": {"name": "org/d"}, "optim": {}}
    assert list(set_keys(TrainingConfig.model_validate(training))) == ["model.name", "data.name"]
