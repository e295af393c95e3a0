"""Names and patterns of `method`, matched with the layers of a model: pure, no torch."""

import re

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from training.contract.config import Lora
from training.contract.errors import ConfigurationError
from training.model.targets import Choice, Layer, choose, shortest


def lora(**settings: object) -> Lora:
    return Lora.model_validate({"kind": "lora"} | settings)


MODEL = (
    *(
        Layer(f"model.layers.{number}.{name}")
        for number in range(2)
        for name in ("self_attn.qkv_proj", "self_attn.o_proj", "mlp.gate_up_proj")
    ),
    Layer("model.layers.1.linear_attn.in_proj"),
    Layer("model.layers.1.mlp.shared_expert_gate", barred="router"),
    Layer("model.layers.1.mlp.experts.down_proj", "model.layers.1.mlp.experts.down_proj"),
    Layer("model.vision.layers.0.self_attn.o_proj", barred="outside of the language model"),
    Layer("lm_head", barred="output layer"),
)


def test_all_linear_is_all_but_what_never_gets_one() -> None:
    choice = choose(MODEL, lora())
    assert len(choice.layers) == 7 and choice.of == 11
    assert choice.weights == ("model.layers.1.mlp.experts.down_proj",)
    assert choice.left_out == (
        "1 router (shared_expert_gate)",
        "1 outside of the language model (o_proj)",
        "1 output layer (lm_head)",
    )


@pytest.mark.parametrize(
    ("targets", "layers"),
    [
        ("o_proj", 2),  # of the language model
        (["self_attn.o_proj", "in_proj"], 3),
        ("layers.0.self_attn.o_proj", 1),
        (r"model\.layers\.\d+\.self_attn\.(qkv|o)_proj", 4),
        ([r".*\.in_proj", "o_proj"], 3),
    ],
)
def test_names_mean_ends_and_patterns_whole_names(targets: object, layers: int) -> None:
    assert len(choose(MODEL, lora(targets=targets)).layers) == layers


@pytest.mark.parametrize(
    ("exclude", "layers", "experts"),
    [("experts", 7, 0), (["layers.0"], 4, 1), (r".*o_proj", 5, 1), ("self_attn", 3, 1)],
)
def test_what_is_excluded_gets_none(exclude: object, layers: int, experts: int) -> None:
    choice = choose(MODEL, lora(exclude=exclude))
    assert (len(choice.layers), len(choice.weights)) == (layers, experts)
    assert any("excluded" in phrase for phrase in choice.left_out)


@pytest.mark.parametrize("settings", [{"dropout": 0.1}, {"dora": True}, {"init": "pissa"}])
def test_experts_are_left_out_where_peft_cannot(settings: dict[str, object]) -> None:
    (name,) = settings
    choice = choose(MODEL, lora(**settings))
    assert not choice.weights
    assert any(f"experts, which {name}" in phrase for phrase in choice.left_out)
    with pytest.raises(ConfigurationError, match=f"experts, which {name}"):
        choose(MODEL, lora(targets=["o_proj", "experts.down_proj"], **settings))


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"targets": ["o_proj", "q_proj"]}, "nothing here is q_proj"),
        ({"targets": ".*q_proj"}, r"nothing here is \.\*q_proj"),
        ({"targets": ["gate_up_projj", "xyz"]}, "nothing here is gate_up_projj, xyz"),
        ({"exclude": "expert"}, "method.exclude: nothing here is expert"),
        ({"targets": "lm_head"}, "lm_head gets no adapter: output layer"),
        ({"targets": ["o_proj", "shared_expert_gate"]}, "shared_expert_gate gets no .* router"),
        ({"targets": "o_proj", "exclude": "layers"}, "o_proj gets no adapter: excluded"),
        ({"exclude": ".*"}, "no layer is left to adapt"),
    ],
)
def test_what_can_only_be_a_mistake_is_an_error(settings: dict[str, object], told: str) -> None:
    with pytest.raises(ConfigurationError, match=told) as caught:
        choose(MODEL, lora(**settings))
    assert caught.value.code == "method_unfit"
    assert caught.value.remedy


def test_near_names_are_offered() -> None:
    with pytest.raises(ConfigurationError) as caught:
        choose(MODEL, lora(targets=["q_proj", "gate_proj"]))
    assert "near: qkv_proj" in caught.value.remedy
    assert "gate_up_proj" in caught.value.remedy


def test_what_matches_partly_is_told() -> None:
    choice = choose(MODEL, lora(targets=["o_proj", "qkv_proj", "gate_up_proj"]))
    assert "2 not named (in_proj, down_proj)" in choice.left_out


def test_an_empty_model_is_told_in_words() -> None:
    with pytest.raises(ConfigurationError, match="no layer is left"):
        choose((), lora())


PART = st.sampled_from(["a", "b", "ab", "q_proj", "mlp", "0", "1"])
NAMES = st.lists(PART, min_size=1, max_size=4).map(".".join)


@given(st.sets(NAMES, min_size=1), st.data())
def test_short_names_mean_what_peft_takes_them_for(names: set[str], data: st.DataObject) -> None:
    everything = sorted(names)
    chosen = data.draw(st.sets(st.sampled_from(everything)))
    # A whole name that is the end of another cannot be told apart by ends; no model has these.
    assume(not any(other.endswith(f".{name}") for name in names for other in names))
    for parts in (1, 2):
        short = shortest(chosen, everything, parts)
        meant = {n for n in everything if n in short or any(n.endswith(f".{s}") for s in short)}
        assert meant == chosen


@given(st.sets(NAMES, min_size=1), st.lists(NAMES, min_size=1, max_size=3), st.booleans())
def test_every_layer_is_chosen_or_told(names: set[str], targets: list[str], all_: bool) -> None:
    layers = tuple(map(Layer, sorted(names)))
    wanted = ["all-linear"] if all_ else targets
    try:
        choice: Choice = choose(layers, lora(targets=wanted))
    except ConfigurationError as error:
        lost = [t for t in wanted if not any(f".{n}".endswith(f".{t}") for n in names)]
        assert lost and all(name in error.message for name in lost)
        return
    by_peft = {n for n in names if all_ or n in wanted or any(n.endswith(f".{t}") for t in wanted)}
    assert set(choice.layers) == by_peft
    told = [re.match(r"\d+", phrase) for phrase in choice.left_out]
    assert choice.of == len(choice.layers) + sum(int(number[0]) for number in told if number)
