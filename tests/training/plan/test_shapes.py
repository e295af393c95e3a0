"""Shapes from config.json: as many weights as transformers makes of it, or a sentence."""

import copy
import json
from typing import Any

import pytest

from tests.support.published import PUBLISHED
from tests.training.plan.families import FAMILIES, config_of, without_weights
from training.plan.dense import DENSE
from training.plan.mixed import MIXED
from training.plan.towers import TOWERS
from training.plan.understand import NotUnderstood, shape_of, understand

pytestmark = [pytest.mark.torch, pytest.mark.filterwarnings("ignore")]


def written(config: Any) -> dict[str, Any]:
    """As it would be in config.json."""
    document: dict[str, Any] = json.loads(config.to_json_string())
    return document


def test_every_family_of_the_tables_is_tried() -> None:
    tried = {kind for kind, _ in FAMILIES.values()}
    inside = {"qwen3_vl_text", "qwen3_vl_moe_text"}  # of a wrapper that is tried
    assert {*DENSE, *MIXED, *TOWERS, "gemma4_text"} - inside <= tried


@pytest.mark.parametrize("family", FAMILIES)
def test_as_many_weights_as_the_model_has(family: str) -> None:
    config = config_of(family)
    model = without_weights(config)
    found = understand(written(config))
    assert found.parameters == sum(weight.numel() for weight in model.parameters())
    tower = [w.numel() for n, w in model.named_parameters() if _beside(n)]
    assert found.tower == sum(tower)


def _beside(name: str) -> bool:
    return name.startswith(("model.vision", "model.visual", "model.multi_modal", "model.embed_vis"))


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_models_have_as_many_weights_as_is_published(name: str) -> None:
    from transformers import AutoConfig

    told = PUBLISHED[name]
    document = copy.deepcopy(told["config"])
    found = understand(told["config"])
    model = without_weights(AutoConfig.for_model(document.pop("model_type"), **document))
    assert found.parameters == sum(weight.numel() for weight in model.parameters())
    assert found.parameters == told.get("weights", found.parameters)


@pytest.mark.parametrize(
    ("name", "active", "gigabytes"),
    [
        ("Qwen/Qwen3-30B-A3B", 3.35, 61.1),
        ("openai/gpt-oss-120b", 5.75, 65.2),
        ("deepseek-ai/DeepSeek-V3", 37.6, 673),
        ("mistralai/Mixtral-8x7B-v0.1", 12.9, 93.4),
        ("nvidia/NVIDIA-Nemotron-3-Nano-30B-A3B-BF16", 3.58, 63.2),
        ("google/gemma-2-9b", 9.24, 37.0),
    ],
)
def test_active_weights_and_files(name: str, active: float, gigabytes: float) -> None:
    """As their pages have it: 5.1 B active of gpt-oss-120b are counted without embeddings there."""
    found = understand(PUBLISHED[name]["config"])
    assert found.active / 1e9 == pytest.approx(active, rel=0.005)
    assert found.stored / 1e9 == pytest.approx(gigabytes, rel=0.005)


@pytest.mark.parametrize("family", FAMILIES)
def test_linear_layers_and_experts_are_those_of_the_model(family: str) -> None:
    import torch

    model = without_weights(config := config_of(family))
    found = understand(written(config))
    inside = {n: m for n, m in model.named_modules() if not _beside(n) and n != "lm_head"}
    linear = sorted(
        (n.rpartition(".")[2], m.in_features, m.out_features)
        for n, m in inside.items()
        if type(m) is torch.nn.Linear and not _chooses(n)
    )
    assert sorted(found.linear) == linear
    experts = [w.numel() for n, w in model.named_parameters() if ".experts." in n and w.dim() == 3]
    assert sum(one.weights for one in found.experts) == sum(experts)


def _chooses(name: str) -> bool:
    """A router, a gate of one number, or what Gemma 4 has once for all layers."""
    last = name.rpartition(".")[2]
    return name.endswith("router.proj") or last in (
        "shared_expert_gate",
        "per_layer_model_projection",
    )


@pytest.mark.parametrize("family", FAMILIES)
def test_without_a_field_it_is_what_transformers_takes_or_not_understood(family: str) -> None:
    """A file that somebody has shortened: never a wrong number."""
    from huggingface_hub.errors import StrictDataclassError

    config = config_of(family)
    whole = written(config)
    understood = 0
    for path in _paths(whole):
        document = _without(whole, path)
        found = shape_of(document)
        if found is None:
            continue
        try:
            model = without_weights(type(config).from_dict(_without(config.to_dict(), path)))
        except (ValueError, TypeError, AssertionError, StrictDataclassError):
            continue  # transformers does not take it either
        there = sum(weight.numel() for weight in model.parameters())
        assert found.parameters == there, path
        understood += 1
    assert understood


_SIZES = ("size", "dim", "num_", "rank", "bias", "tie", "experts", "layer", "n_", "mamba", "conv")


def _paths(document: dict[str, Any]) -> list[tuple[str, ...]]:
    paths: list[tuple[str, ...]] = []
    document = {name: value for name, value in document.items() if "token" not in name}
    for name, value in document.items():
        if isinstance(value, dict) and name.endswith("_config"):
            paths += [(name, inner) for inner in value if any(s in inner for s in _SIZES)]
        elif name != "model_type" and any(s in name for s in _SIZES):
            paths.append((name,))
    return paths


def _without(document: dict[str, Any], path: tuple[str, ...]) -> dict[str, Any]:
    copied = copy.deepcopy(document)
    inner = copied
    for name in path[:-1]:
        inner = inner[name]
    del inner[path[-1]]
    return copied


def test_a_file_of_anything_is_understood_or_said_not_to_be() -> None:
    good = written(config_of("qwen3_5_moe that sees"))
    odd: list[Any] = [None, 3, [], "x", {}, {"model_type": 7}, {"model_type": "gpt2"}]
    wrong = (-1, 0, 2**70, True, 1.5, "64", [], {}, float("nan"))
    for path in _paths(good):
        for value in wrong:
            changed = _without(good, path)
            inner = changed
            for name in path[:-1]:
                inner = inner[name]
            inner[path[-1]] = value
            odd.append(changed)
    for document in odd:
        try:
            assert understand(document).parameters > 0
        except NotUnderstood as why:
            assert str(why)


@pytest.mark.parametrize(
    "odd",
    [
        {"num_experts": 8}, {"auto_map": {"AutoModel": "x.Y"}}, {"model_type": "llama5"},
        {"moe_intermediate_size": 3}, {"text_config": {}}, {"num_hidden_layers": 10**9},
        {"quantization_config": {"quant_method": "gptq"}},
    ],
    ids=str,
)  # fmt: skip
def test_what_could_change_the_size_is_not_understood(odd: dict[str, Any]) -> None:
    document = written(config_of("llama"))
    assert shape_of(document) is not None
    assert shape_of(document | odd) is None
