"""What a layer of each kind keeps for its backward pass is what the estimate says, about."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.training.model.test_casts import TOKENS, _kept
from training.contract.config import TrainingConfig
from training.plan.estimate import Work, activations
from training.plan.understand import understand

pytestmark = [pytest.mark.torch, pytest.mark.filterwarnings("ignore")]

SIZES: dict[str, Any] = {
    "vocab_size": 128, "hidden_size": 256, "intermediate_size": 768, "num_attention_heads": 4,
    "num_key_value_heads": 2, "head_dim": 64, "tie_word_embeddings": False, "pad_token_id": 0,
}  # fmt: skip
_EXPERTS = {"num_experts": 8, "num_experts_per_tok": 2, "moe_intermediate_size": 256}
_DELTA = {
    "linear_num_key_heads": 2, "linear_num_value_heads": 4, "linear_key_head_dim": 64,
    "linear_value_head_dim": 64,
}  # fmt: skip
_NEMOTRON = {
    "mamba_num_heads": 8, "mamba_head_dim": 64, "ssm_state_size": 64, "n_groups": 2,
    "chunk_size": 64, "n_routed_experts": 8, "num_experts_per_tok": 2,
    "moe_intermediate_size": 256, "moe_shared_expert_intermediate_size": 256,
}  # fmt: skip


def _of(kind: str, **changes: Any) -> Callable[[int], tuple[str, dict[str, Any]]]:
    return lambda layers: (kind, SIZES | changes | {"num_hidden_layers": layers})


def _alike(kind: str, layer: str, **changes: Any) -> Callable[[int], tuple[str, dict[str, Any]]]:
    name = "layers_block_type" if kind == "nemotron_h" else "layer_types"
    return lambda layers: (
        kind, SIZES | changes | {"num_hidden_layers": layers, name: [layer] * layers},
    )  # fmt: skip


KINDS: dict[str, tuple[Callable[[int], tuple[str, dict[str, Any]]], float]] = {
    "four norms": (_of("gemma3_text"), 0.06),
    "fused": (_of("glm4"), 0.1),
    "attention written out": (_of("gemma2"), 0.08),
    "experts": (_of("qwen3_moe", **_EXPERTS), 0.1),
    "experts with biases": (_of("gpt_oss", num_local_experts=8, num_experts_per_tok=2), 0.06),
    "gated attention": (_alike("qwen3_5_text", "full_attention", **_DELTA), 0.06),
    "delta net": (_alike("qwen3_5_text", "linear_attention", **_DELTA), 0.06),
    "mamba": (_alike("nemotron_h", "linear_attention", **_NEMOTRON), 0.12),
    "not gated": (_alike("nemotron_h", "mlp", **_NEMOTRON), 0.12),
}
_NOT_ADAPTED = {"out_proj", "gate_up_proj"}
"""peft refuses the first in Mamba, and the second may be experts."""


@pytest.mark.parametrize("kind", KINDS)
def test_a_layer_of_each_kind_keeps_as_much_as_is_estimated(kind: str) -> None:
    """Bytes of a token and layer in bfloat16: three layers less one."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    from training.model import adapter

    make, close = KINDS[kind]
    told, kept = [], []
    for layers in (1, 3):
        name, sizes = make(layers)
        written = AutoConfig.for_model(name, **sizes)
        shape = understand(written.to_dict())
        experts = {one.name for one in shape.experts}
        names = {one.name for one in shape.linear} - _NOT_ADAPTED - experts
        config = TrainingConfig.model_validate(
            {
                "model": {"name": "/unused"},
                "data": {"name": "/unused", "max_length": TOKENS},
                "method": {"kind": "lora", "targets": sorted(names)},
                "loop": {"gradient_checkpointing": False},
            }
        )
        told.append(activations(shape, config, Work(TOKENS, TOKENS))[0])
        torch.manual_seed(0)
        base = AutoModelForCausalLM.from_config(written).to(torch.bfloat16)
        kept.append(_kept(adapter.attach(base, config.method, seed=1).model.train()))
    assert told[1] - told[0] == pytest.approx(kept[1] - kept[0], rel=close)
