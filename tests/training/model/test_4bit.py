"""A base in 4 bits: small, near the original, and gradients go through it."""

import math
from pathlib import Path
from typing import Any

import pytest

from training.contract.config import Qlora
from training.contract.errors import TrainingError
from training.model.weight_files import tensors_of

pytestmark = [
    pytest.mark.torch,
    pytest.mark.filterwarnings("ignore"),  # of the libraries among themselves
]


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small Llama with tied embeddings, in several files."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("base")
    config = LlamaConfig(
        vocab_size=64, hidden_size=256, intermediate_size=512, num_hidden_layers=2,
        num_attention_heads=4, num_key_value_heads=2, tie_word_embeddings=True,
    )  # fmt: skip
    LlamaForCausalLM(config).save_pretrained(folder, max_shard_size="1MB")
    return folder


def loaded(base: Path, *, double: bool = True) -> Any:
    import torch

    from training.model.load import Loaded
    from training.model.replicate import replicate

    method = Qlora(kind="qlora", double_quantization=double)
    model, total, read = replicate(base, torch.float32, torch.device("cpu"), method)
    return Loaded(model, total, total, read)


def linear_layers(model: Any) -> dict[str, Any]:
    import bitsandbytes as bnb

    return {n: m for n, m in model.named_modules() if isinstance(m, bnb.nn.Linear4bit)}


@pytest.mark.parametrize(("double", "bits"), [(True, 4.15), (False, 4.5)])
def test_a_linear_weight_takes_four_bits_and_its_share_of_a_scale(
    base: Path, double: bool, bits: float
) -> None:
    found = loaded(base, double=double)
    layers = linear_layers(found.model)
    assert len(layers) == 14 and "lm_head" not in layers
    state = [layer.weight.quant_state for layer in layers.values()]
    held = sum(layer.weight.nbytes for layer in layers.values())
    held += sum(s.absmax.nbytes + (s.state2.absmax.nbytes if double else 0) for s in state)
    assert 4 < 8 * held / sum(s.shape.numel() for s in state) <= bits
    assert found.bytes_read == sum(t.end - t.start for t in tensors_of(base))
    assert found.parameters == sum(math.prod(tensor.shape) for tensor in tensors_of(base))


def test_it_says_nearly_what_the_original_says(base: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM

    model, original = loaded(base).model, AutoModelForCausalLM.from_pretrained(base)
    ids = torch.tensor([[1, 2, 3, 4, 5]])
    with torch.no_grad():
        ours, theirs = model(ids).logits, original(ids).logits
    assert 0.001 < (ours - theirs).norm() / theirs.norm() < 0.3
    assert model.lm_head.weight is model.model.embed_tokens.weight


def test_gradients_go_through_it_also_after_an_evaluation(base: Path) -> None:
    import torch

    model = loaded(base).model
    for layer in linear_layers(model).values():
        into = torch.ones(3, layer.in_features)
        layer.eval()
        with torch.no_grad():
            before = layer(into)
        layer.train()
        out = layer(into.requires_grad_())
        out.sum().backward()
        assert torch.equal(out, before)
        assert into.grad is not None and float(into.grad.norm()) > 0


def test_a_base_without_one_of_its_weights_is_refused(base: Path, tmp_path: Path) -> None:
    last = max(base.glob("*.safetensors"))
    for file in base.iterdir():
        if file != last:
            (tmp_path / file.name).symlink_to(file)
    with pytest.raises(TrainingError, match="which is not there"):
        loaded(tmp_path)
