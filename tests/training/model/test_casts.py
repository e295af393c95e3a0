"""Adapters are held in float32 and read what is there: no copy of it in between, the same bits."""

from typing import Any

import pytest

from training.contract.config import Lora, Qlora, TrainingConfig

pytestmark = [pytest.mark.torch, pytest.mark.filterwarnings("ignore")]

SIZES: dict[str, Any] = {
    "vocab_size": 128, "hidden_size": 256, "intermediate_size": 768, "num_attention_heads": 4,
    "num_key_value_heads": 2, "head_dim": 64, "tie_word_embeddings": False,
}  # fmt: skip
TOKENS = 128


@pytest.mark.parametrize("checkpointed", [False, True])
def test_gradients_are_the_same_bits_without_the_cast(checkpointed: bool) -> None:
    ours, peft_s = _adapted("llama"), _adapted("llama")
    assert not any(layer.cast_input_dtype_enabled for layer in _layers(ours))
    for layer in _layers(peft_s):
        layer.cast_input_dtype_enabled = True
    if checkpointed:
        for model in (ours, peft_s):
            model.gradient_checkpointing_enable()
    (loss, gradients), (same_loss, same) = _learn(ours), _learn(peft_s)
    assert loss == same_loss
    assert gradients.keys() == same.keys() and len(gradients) == 2 * 2 * 7
    for name, gradient in gradients.items():
        assert gradient.abs().max() > 0 and gradient.equal(same[name]), name


@pytest.mark.parametrize("kind", ["llama", "qwen3"])
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_a_layer_keeps_as_much_as_is_estimated(kind: str, dtype: str) -> None:
    """Bytes of a token and layer, between the forward pass and the backward."""
    from training.plan.estimate import Work, activations
    from training.plan.understand import shape_of

    document = {
        "model": {"name": "/unused", "dtype": dtype},
        "data": {"name": "/unused"},
        "loop": {"gradient_checkpointing": False},
    }
    config = TrainingConfig.model_validate(document)
    kept, told = [], []
    for layers in (1, 3):
        shape = shape_of(SIZES | {"model_type": kind, "num_hidden_layers": layers})
        assert shape is not None
        told.append(activations(shape, config, Work(TOKENS, TOKENS))[0])
        kept.append(_kept(_adapted(kind, layers, dtype=dtype)))
    assert told[1] - told[0] == pytest.approx(kept[1] - kept[0], rel=0.06)


@pytest.mark.parametrize(("way", "forwards", "backwards"), [("ours", 18, 18), ("peft's", 32, 32)])
def test_a_layer_copies_into_another_format_so_often(
    way: str, forwards: int, backwards: int
) -> None:
    """The two weights of seven adapters, held in float32, of which autocast makes bfloat16; there
    and back in two norms, which compute in float32. As many for the gradients."""
    found = []
    for layers in (1, 3):
        model = _adapted("llama", layers)
        for layer in _layers(model):
            layer.cast_input_dtype_enabled = way != "ours"
        found.append(_copies(model))
    a_layer = [(three - one) / 2 for one, three in zip(*found, strict=True)]
    assert a_layer == [forwards, backwards]


def test_dora_goes_on_in_float32() -> None:
    """It adds and divides what it reads: in bfloat16 that would be other numbers."""
    model = _adapted("llama", method=Lora(kind="lora", dora=True))
    assert all(layer.cast_input_dtype_enabled for layer in _layers(model))


def test_a_base_in_four_bits_is_read_as_it_is() -> None:
    assert not any(
        layer.cast_input_dtype_enabled
        for layer in _layers(_adapted("llama", method=Qlora(kind="qlora")))
    )


def _layers(model: Any) -> list[Any]:
    from peft.tuners.tuners_utils import BaseTunerLayer

    return [layer for layer in model.modules() if isinstance(layer, BaseTunerLayer)]


def _adapted(
    kind: str,
    layers: int = 2,
    method: Lora | Qlora = Lora(kind="lora"),  # noqa: B008 - frozen
    dtype: str = "bfloat16",
) -> Any:
    """A random model with adapters that already do something."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    from training.model import adapter

    torch.manual_seed(3)
    config = AutoConfig.for_model(kind, **SIZES, num_hidden_layers=layers)
    base = AutoModelForCausalLM.from_config(config).to(getattr(torch, dtype))
    model = adapter.attach(base, method, seed=1).model
    chance = torch.Generator().manual_seed(2)
    for name, weight in model.named_parameters():
        if "lora_B" in name:
            weight.data.normal_(std=0.05, generator=chance)
    return model.train()


def _autocast(model: Any) -> Any:
    import torch

    half = model.get_base_model().dtype == torch.bfloat16
    return torch.autocast("cpu", torch.bfloat16, enabled=half)


def _ids() -> Any:
    import torch

    return torch.randint(128, (1, TOKENS), generator=torch.Generator().manual_seed(5))


def _learn(model: Any) -> tuple[float, dict[str, Any]]:
    ids = _ids()
    with _autocast(model):
        loss = model(input_ids=ids, labels=ids, use_cache=False).loss
    loss.backward()
    return float(loss), {n: p.grad for n, p in model.named_parameters() if p.grad is not None}


def _kept(model: Any) -> int:
    """Bytes that the layers of `model` keep for the backward pass, the weights apart."""
    import torch

    weights = {weight.untyped_storage().data_ptr() for weight in model.parameters()}
    kept: dict[int, torch.Tensor] = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        if tensor.untyped_storage().data_ptr() not in weights:
            kept[tensor.untyped_storage().data_ptr()] = tensor
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor), _autocast(model):
        model.get_base_model().model(_ids(), use_cache=False)
    return sum(tensor.untyped_storage().nbytes() for tensor in kept.values())


def _copies(model: Any) -> tuple[int, int]:
    """Copies into another format, forwards and backwards."""
    from torch.utils._python_dispatch import TorchDispatchMode

    class Counts(TorchDispatchMode):
        copies = 0

        def __torch_dispatch__(
            self, func: Any, types: Any, args: Any = (), kwargs: Any = None
        ) -> Any:
            self.copies += func.name() == "aten::_to_copy"
            return func(*args, **(kwargs or {}))

    ids = _ids()
    with Counts() as forwards, _autocast(model):
        loss = model(input_ids=ids, labels=ids, use_cache=False).loss
    with Counts() as backwards:
        loss.backward()
    return forwards.copies, backwards.copies
