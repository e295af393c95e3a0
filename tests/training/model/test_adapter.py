"""Every setting of an adapter: as a plain script of peft makes it, and loadable in plain peft."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from training.contract.config import Lora, Qlora
from training.contract.errors import ConfigurationError

torch = pytest.importorskip("torch")

from peft import LoraConfig, PeftModel, get_peft_model, get_peft_model_state_dict  # noqa: E402
from transformers import AutoModelForCausalLM, LlamaConfig, set_seed  # noqa: E402

from training.builtin.tiny import make_tokenizer  # noqa: E402
from training.model import adapter, start_from  # noqa: E402
from training.model.adapter import Adapted  # noqa: E402

pytestmark = [pytest.mark.torch, pytest.mark.filterwarnings("ignore")]

TOKENS = torch.arange(3, 35).view(2, 16)
ATTENTION = ["q_proj", "k_proj", "v_proj", "o_proj"]
STACKS = ["experts.gate_up_proj", "experts.down_proj"]


def llama() -> Any:
    return _made(LlamaConfig(**_SIZES))


def mixtral() -> Any:
    from transformers import MixtralConfig

    return _made(MixtralConfig(**_SIZES, num_local_experts=4, num_experts_per_tok=2))


def glm() -> Any:
    """A dense layer, and one with a shared expert, whose layers peft takes for parts of a stack."""
    from transformers import Glm4MoeConfig

    experts = {"n_routed_experts": 4, "num_experts_per_tok": 2, "n_group": 1, "topk_group": 1}
    shared = {"n_shared_experts": 1, "first_k_dense_replace": 1, "moe_intermediate_size": 16}
    return _made(Glm4MoeConfig(**_SIZES, **experts, **shared, head_dim=8))


_SIZES = {
    "vocab_size": 64, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2,
    "num_attention_heads": 4, "num_key_value_heads": 2, "tie_word_embeddings": False,
}  # fmt: skip


def _made(config: Any) -> Any:
    set_seed(0)
    return AutoModelForCausalLM.from_config(config).float()


def lora(**settings: object) -> Lora:
    return Lora.model_validate({"kind": "lora", "r": 4, "alpha": 8} | settings)


OPTIONS: dict[str, tuple[dict[str, object], dict[str, object]]] = {
    "all-linear": ({}, {"target_modules": "all-linear"}),
    "names": ({"targets": ["q_proj", "v_proj"]}, {"target_modules": ["q_proj", "v_proj"]}),
    "pattern": ({"targets": r".*\.(q|o)_proj"}, {"target_modules": r".*\.(q|o)_proj"}),
    "exclude": (
        {"exclude": r".*\.0\..*"},
        {"target_modules": "all-linear", "exclude_modules": r".*\.0\..*"},
    ),
    "rslora": ({"rslora": True}, {"use_rslora": True}),
    "dora": ({"dora": True}, {"use_dora": True}),
    "gaussian": ({"init": "gaussian"}, {"init_lora_weights": "gaussian"}),
    "orthogonal": ({"init": "orthogonal"}, {"init_lora_weights": "orthogonal"}),
    "pissa": ({"init": "pissa"}, {"init_lora_weights": "pissa"}),
    "pissa_niter_4": ({"init": "pissa_niter_4"}, {"init_lora_weights": "pissa_niter_4"}),
    "olora": ({"init": "olora"}, {"init_lora_weights": "olora"}),
    "modules_to_save": (
        {"modules_to_save": ["lm_head", "model.norm"]},
        {"modules_to_save": ["lm_head", "model.norm"]},
    ),
}


@pytest.mark.parametrize("option", OPTIONS)
def test_it_begins_as_a_plain_script_of_peft_makes_it(option: str) -> None:
    ours, theirs = OPTIONS[option]
    adapted = adapter.attach(llama(), lora(**ours), seed=7)
    base = llama()
    set_seed(7)
    plain = get_peft_model(
        base,
        LoraConfig(task_type="CAUSAL_LM", r=4, lora_alpha=8,
                   **{"target_modules": "all-linear"} | theirs),
    )  # fmt: skip
    held, there = adapter.held(adapted.model), get_peft_model_state_dict(plain)
    assert held.keys() == there.keys()
    for name, weight in held.items():
        assert torch.equal(weight, there[name]), name
    trained = {n: p.shape for n, p in adapted.model.named_parameters() if p.requires_grad}
    assert trained == {n: p.shape for n, p in plain.named_parameters() if p.requires_grad}
    assert torch.equal(_logits(adapted.model), _logits(plain))


@pytest.mark.parametrize("option", OPTIONS)
@pytest.mark.parametrize("rslora", [False, True])
def test_saved_it_works_on_the_base_as_it_is(option: str, rslora: bool, tmp_path: Path) -> None:
    adapted = adapter.attach(llama(), lora(**OPTIONS[option][0] | {"rslora": rslora}), seed=7)
    _train(adapted)
    again = _saved_and_loaded(adapted, tmp_path / "adapter", llama())
    assert torch.allclose(_logits(again), _logits(adapted.model), atol=1e-5)
    assert not torch.allclose(_logits(again), _logits(llama()), atol=1e-2)
    settings = json.loads((tmp_path / "adapter/adapter_config.json").read_text())
    assert settings["base_model_name_or_path"] == "org/base"
    assert settings["r"] == (8 if option in ("pissa", "pissa_niter_4", "olora") else 4)


@pytest.mark.parametrize(
    ("made", "weights", "layers"),
    [
        (mixtral, STACKS, 4 + 8),
        (glm, [*STACKS, "gate_proj.weight", "up_proj.weight", "down_proj.weight"], 2 + 6 + 8),
    ],
)
def test_experts_are_adapted_and_load_again(
    made: Callable[[], Any], weights: list[str], layers: int, tmp_path: Path
) -> None:
    adapted = adapter.attach(made(), lora(), seed=7)
    assert len(adapted.choice.layers) + len(adapted.choice.weights) == layers
    assert adapted.choice.left_out == ("1 output layer (lm_head)",)
    base = made()
    set_seed(7)
    plain = get_peft_model(
        base,
        LoraConfig(task_type="CAUSAL_LM", r=4, lora_alpha=8, target_modules=ATTENTION,
                   target_parameters=weights),
    )  # fmt: skip
    there = get_peft_model_state_dict(plain)
    held = adapter.held(adapted.model)
    assert held.keys() == there.keys()
    assert all(torch.equal(weight, there[name]) for name, weight in held.items())
    _train(adapted)
    again = _saved_and_loaded(adapted, tmp_path / "adapter", made())
    assert torch.allclose(_logits(again), _logits(adapted.model), atol=1e-5)
    learned = [w for n, w in adapter.held(adapted.model).items() if "lora_B" in n and w.any()]
    assert len(learned) == layers  # each of them


def test_what_is_trained_is_float32_on_any_base() -> None:
    settings = lora(modules_to_save=["lm_head"])
    model = adapter.attach(llama().to(torch.bfloat16), settings, seed=7).model
    trained = {p.dtype for p in model.parameters() if p.requires_grad}
    frozen = {p.dtype for p in model.parameters() if not p.requires_grad}
    assert (trained, frozen) == ({torch.float32}, {torch.bfloat16})


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"targets": ["q_prj"]}, "nothing here is q_prj"),
        ({"targets": ["embed_tokens"]}, "nothing here is embed_tokens"),
        ({"modules_to_save": ["lm_haed"]}, "no module is called lm_haed"),
        ({"init": "pissa", "r": 64}, "r of at most"),
    ],
)
def test_what_this_model_cannot_do_is_told(settings: dict[str, object], told: str) -> None:
    with pytest.raises(ConfigurationError, match=told) as caught:
        adapter.attach(llama(), lora(**settings), seed=7)
    assert (caught.value.code, bool(caught.value.remedy)) == ("method_unfit", True)


def test_it_starts_from_an_adapter(tmp_path: Path) -> None:
    first = adapter.attach(llama(), lora(rslora=True, modules_to_save=["lm_head"]), seed=7)
    _train(first)
    adapter.write(first, make_tokenizer(), "org/base", tmp_path / "one")
    method = lora(rslora=True, modules_to_save=["lm_head"], init_from=str(tmp_path / "one"))
    second = adapter.attach(llama(), method, seed=8)
    folder = start_from.folder_of(str(method.init_from), tmp_path)
    assert start_from.put(second, folder, "one", method) == "org/base"
    assert torch.equal(_logits(second.model), _logits(first.model))


def _other_file(folder: Path, **settings: object) -> None:
    file = folder / "adapter_config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | settings))


@pytest.mark.parametrize(
    ("method", "settings", "told"),
    [
        ({"r": 8}, {}, "method.r is 8, there it is 4"),
        ({"rslora": True}, {}, "method.rslora is True, there it is False"),
        ({"targets": ["q_proj"]}, {}, "it also has model.layers.0.mlp.down_proj"),
        ({"modules_to_save": ["lm_head"]}, {}, "it lacks lm_head"),
        ({}, {"peft_type": "LOHA"}, "no LoRA adapter"),
        ({}, {"rank_pattern": {"q_proj": 2}}, "rank_pattern"),
        ({}, {"base_model_name_or_path": "\x1b[31m"}, None),
    ],
)
def test_an_adapter_of_other_settings_is_refused(
    method: dict[str, object], settings: dict[str, object], told: str | None, tmp_path: Path
) -> None:
    adapter.write(adapter.attach(llama(), lora(), seed=7), make_tokenizer(), "b", tmp_path / "a")
    _other_file(tmp_path / "a", **settings)
    ours = adapter.attach(llama(), lora(**method), seed=7)
    if told is None:
        assert start_from.put(ours, tmp_path / "a", "a", lora(**method)) == "?[31m"
        return
    with pytest.raises(ConfigurationError, match=told) as caught:
        start_from.put(ours, tmp_path / "a", "a", lora(**method))
    assert (caught.value.code, bool(caught.value.remedy)) == ("adapter_unfit", True)


def test_a_broken_adapter_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"holds no adapter_config\.json"):
        start_from.folder_of(str(tmp_path), tmp_path)
    for file in ("adapter_config.json", "adapter_model.safetensors"):
        (tmp_path / file).write_text("{")
    ours = adapter.attach(llama(), lora(), seed=7)
    with pytest.raises(ConfigurationError, match="cannot be read"):
        start_from.put(ours, tmp_path, "a", lora())


def test_four_bits_are_not_trained_whole() -> None:
    pytest.importorskip("bitsandbytes")
    from training.model.quantized import use_4bit_layers

    base = llama()
    use_4bit_layers(base, torch.float32)
    for layer in base.modules():
        if type(layer).__name__ == "Linear4bit":
            layer.weight = torch.nn.Parameter(
                torch.zeros(8, 1, dtype=torch.uint8), requires_grad=False
            )
    with pytest.raises(ConfigurationError, match="held in a few bits"):
        method = Qlora(kind="qlora", targets=("o_proj",), modules_to_save=("down_proj",))
        adapter.attach(base, method, seed=7)


def _train(adapted: Adapted) -> None:
    """Some steps, large enough to be seen."""
    model = adapted.model.train()
    optimizer = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=0.5)
    for _ in range(3):
        model(input_ids=TOKENS, labels=TOKENS).loss.backward()
        optimizer.step()
        optimizer.zero_grad()


def _logits(model: Any) -> Any:
    with torch.no_grad():
        return model.eval()(input_ids=TOKENS).logits


def _saved_and_loaded(adapted: Adapted, folder: Path, base: Any) -> Any:
    adapter.write(adapted, make_tokenizer(), "org/base", folder)
    return PeftModel.from_pretrained(base, folder)
