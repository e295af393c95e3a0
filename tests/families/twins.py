"""Tiny random checkpoints of the families that people fine-tune, in the layout of the Hub.

    python -m tests.families.twins FOLDER [NAME ...]

Written by transformers' own save_pretrained, so experts are separate weights and prefixes are those
of the published files. Sizes are odd enough that a weight in the wrong place changes the loss.
"""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import transformers

from tests.families.tokenizer import tokenizer

BASE: dict[str, Any] = {
    "vocab_size": 512, "hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2,
    "num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 512,
    "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2, "tie_word_embeddings": False,
}  # fmt: skip
HEAD = {"head_dim": 16}
EXPERTS = {"moe_intermediate_size": 32, "num_experts_per_tok": 2}
ROUTED = EXPERTS | {"n_routed_experts": 4, "n_shared_experts": 1, "first_k_dense_replace": 1}
GEMMA = HEAD | {"sliding_window": 8, "tie_word_embeddings": True, "query_pre_attn_scalar": 16}
LINEAR = {
    "linear_num_key_heads": 2, "linear_num_value_heads": 4, "linear_key_head_dim": 16,
    "linear_value_head_dim": 16, "layer_types": ["linear_attention", "full_attention"],
}  # fmt: skip
GEMMA_4_E = {
    "num_hidden_layers": 4, "layer_types": ["sliding_attention", "full_attention"] * 2,
    "num_kv_shared_layers": 2, "hidden_size_per_layer_input": 8, "use_double_wide_mlp": True,
}  # fmt: skip
"""As E2B and E4B: layers that take the keys and values of one before, and inputs of their own."""
YARN = {
    "rope_type": "yarn", "rope_theta": 150000.0, "factor": 4.0, "beta_fast": 32.0,
    "beta_slow": 1.0, "truncate": False, "original_max_position_embeddings": 64,
}  # fmt: skip
LLAMA3 = {
    "rope_type": "llama3", "rope_theta": 500000.0, "factor": 8.0, "low_freq_factor": 1.0,
    "high_freq_factor": 4.0, "original_max_position_embeddings": 64,
}  # fmt: skip
MROPE = {"rope_type": "default", "rope_theta": 10000.0, "mrope_section": [4, 2, 2]}
TOWER = {
    "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 1, "num_attention_heads": 2,
    "image_size": 28, "patch_size": 14,
}  # fmt: skip
QWEN_TOWER = {
    "depth": 1, "hidden_size": 32, "intermediate_size": 64, "num_heads": 2, "out_hidden_size": 64,
    "num_position_embeddings": 16, "patch_size": 4, "temporal_patch_size": 1,
    "deepstack_visual_indexes": [],
}  # fmt: skip
MAMBA = {
    "layers_block_type": ["mamba", "attention", "mamba", "moe"], "mamba_num_heads": 4,
    "mamba_head_dim": 16, "ssm_state_size": 16, "n_groups": 2, "chunk_size": 8,
    "n_routed_experts": 4, "moe_shared_expert_intermediate_size": 32, "n_shared_experts": 1,
}  # fmt: skip
GRANITE = {
    "layer_types": ["mamba", "attention"], "num_local_experts": 0, "shared_intermediate_size": 64,
    "mamba_n_heads": 4, "mamba_d_head": 32, "mamba_n_groups": 1, "mamba_d_state": 16,
}  # fmt: skip
MLA = ROUTED | {
    "n_group": 2, "topk_group": 1, "q_lora_rank": 16, "kv_lora_rank": 16, "qk_rope_head_dim": 8,
    "qk_nope_head_dim": 8, "v_head_dim": 16, "num_key_value_heads": 4,
}  # fmt: skip
GPT_OSS = HEAD | {
    "sliding_window": 8, "num_local_experts": 4, "num_experts_per_tok": 2, "rope_parameters": YARN,
}  # fmt: skip
QWEN3_MOE = HEAD | EXPERTS | {"num_experts": 4, "decoder_sparse_step": 1}
QWEN3_NEXT = HEAD | EXPERTS | LINEAR | {"num_experts": 4, "shared_expert_intermediate_size": 32}

Made = tuple[Any, Any]
"""A configuration, and the class of its model (None: what AutoModelForCausalLM takes)."""


def _text(kind: str, **settings: Any) -> Made:
    return getattr(transformers, f"{kind}Config")(**{**BASE, **settings}), None


def _wrapper(kind: str, **settings: Any) -> Made:
    config = getattr(transformers, f"{kind}Config")(**settings)
    return config, getattr(transformers, f"{kind}ForConditionalGeneration")


def _qwen_3_5(kind: str, **settings: Any) -> Made:
    text = {**BASE, **HEAD, **LINEAR, **settings}
    return _wrapper(
        kind, text_config=text, vision_config=QWEN_TOWER, tie_word_embeddings=False
    )  # fmt: skip


TWINS: dict[str, Callable[[], Made]] = {
    "llama": lambda: _text("Llama", rope_parameters=LLAMA3),
    "llama_tied": lambda: _text("Llama", tie_word_embeddings=True),
    "llama_bias": lambda: _text("Llama", attention_bias=True),
    "mistral_window": lambda: _text("Mistral", sliding_window=8),
    "qwen2": lambda: _text("Qwen2"),
    "qwen3": lambda: _text("Qwen3", **HEAD),
    "qwen3_moe": lambda: _text("Qwen3Moe", **QWEN3_MOE),
    "qwen3_next": lambda: _text("Qwen3Next", **QWEN3_NEXT),
    "qwen3_5_text": lambda: _text("Qwen3_5Text", **HEAD, **LINEAR),
    "qwen3_5": lambda: _qwen_3_5("Qwen3_5"),
    "qwen3_5_moe": lambda: _qwen_3_5(
        "Qwen3_5Moe", num_experts=4, shared_expert_intermediate_size=32, **EXPERTS
    ),
    "qwen3_vl": lambda: _wrapper(
        "Qwen3VL", text_config={**BASE, **HEAD, "rope_parameters": MROPE},
        vision_config=QWEN_TOWER | {"patch_size": 14, "deepstack_visual_indexes": [0]},
        tie_word_embeddings=False,
    ),
    "mixtral": lambda: _text("Mixtral", num_local_experts=4, num_experts_per_tok=2),
    "gemma2": lambda: _text("Gemma2", **GEMMA),
    "gemma3_text": lambda: _text("Gemma3Text", **GEMMA),
    "gemma3_text_untied": lambda: _text("Gemma3Text", **GEMMA | {"tie_word_embeddings": False}),
    "gemma3": lambda: _wrapper(
        "Gemma3", text_config={**BASE, **GEMMA}, vision_config=TOWER, mm_tokens_per_image=4,
        boi_token_index=500, eoi_token_index=501, image_token_index=502, tie_word_embeddings=True,
    ),
    "gemma4": lambda: _gemma_4(),
    "gemma4_moe": lambda: _gemma_4(
        enable_moe_block=True, num_experts=4, top_k_experts=2, moe_intermediate_size=32
    ),
    "gemma4_e": lambda: _gemma_4(**GEMMA_4_E),
    "mistral3": lambda: _wrapper(
        "Mistral3", text_config=transformers.MistralConfig(**{**BASE, **HEAD}),
        vision_config=TOWER | HEAD | {"model_type": "pixtral"}, image_token_index=10,
        spatial_merge_size=2, tie_word_embeddings=False,
    ),
    "gpt_oss": lambda: _text("GptOss", **GPT_OSS),
    "phi3": lambda: _text("Phi3"),
    "glm4": lambda: _text("Glm4", **HEAD),
    "glm4_moe": lambda: _text("Glm4Moe", **HEAD, **ROUTED, n_group=1, topk_group=1),
    "deepseek_v3": lambda: _text("DeepseekV3", **MLA),
    "nemotron_h": lambda: _text("NemotronH", **HEAD, **EXPERTS, **MAMBA),
    "granite": lambda: _text("Granite"),
    "granite_hybrid": lambda: _text("GraniteMoeHybrid", **GRANITE),
    "olmo2": lambda: _text("Olmo2"),
}  # fmt: skip


def _gemma_4(**settings: Any) -> Made:
    text = {
        **BASE, **HEAD, "sliding_window": 8, "tie_word_embeddings": True, "global_head_dim": 16,
        "hidden_size_per_layer_input": 0, "vocab_size_per_layer_input": 512,
        "num_kv_shared_layers": 0, "layer_types": ["sliding_attention", "full_attention"],
        **settings,
    }  # fmt: skip
    tower = TOWER | HEAD | {"num_key_value_heads": 2, "position_embedding_size": 16}
    return _wrapper(
        "Gemma4", text_config=text, vision_config=tower, audio_config=None,
        tie_word_embeddings=True,
    )  # fmt: skip


def write(name: str, folder: Path) -> Path:
    """Write the twin of this name to the folder, and return it."""
    from tests.families import quantized

    if name in quantized.TWINS:
        quantized.TWINS[name](folder)
    else:
        _save(*TWINS[name](), folder)
    return folder


def _save(config: Any, kind: Any, folder: Path) -> None:
    torch.manual_seed(0)
    model = kind(config) if kind else transformers.AutoModelForCausalLM.from_config(config)
    lively(model).save_pretrained(folder)
    tokenizer().save_pretrained(folder)


@torch.no_grad()
def lively(model: Any) -> Any:
    """The model with weights that are not near nothing: wrong loading would not show else."""
    for weight in model.float().eval().parameters():
        if weight.dim() > 1:
            weight.normal_(0, 0.08)
    return model


def change(folder: Path, **settings: Any) -> None:
    """Change keys of a checkpoint's config.json."""
    file = folder / "config.json"
    config = json.loads(file.read_text(encoding="utf-8")) | settings
    file.write_text(json.dumps(config), encoding="utf-8")


def main(out: Path, names: list[str]) -> None:
    """Write all twins, or those of these names, each into a folder of its own."""
    from tests.families import quantized

    for name in names or [*TWINS, *quantized.TWINS]:
        write(name, out / name)


if __name__ == "__main__":
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    main(Path(sys.argv[1]), sys.argv[2:])
