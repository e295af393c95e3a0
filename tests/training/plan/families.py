"""A small config of every family that the estimate understands, as transformers makes it."""

from typing import Any

SIZES: dict[str, Any] = {
    "vocab_size": 96, "hidden_size": 48, "intermediate_size": 80, "num_hidden_layers": 3,
    "num_attention_heads": 4, "num_key_value_heads": 2, "pad_token_id": 0, "bos_token_id": 1,
    "eos_token_id": 2, "tie_word_embeddings": False,
}  # fmt: skip
_DELTA = {
    "linear_num_key_heads": 2, "linear_num_value_heads": 4, "linear_key_head_dim": 12,
    "linear_value_head_dim": 20,
    "layer_types": ["linear_attention", "full_attention", "linear_attention"],
}  # fmt: skip
_EXPERTS = {"num_experts": 5, "num_experts_per_tok": 2, "moe_intermediate_size": 28}
_SHARED = _EXPERTS | {"shared_expert_intermediate_size": 36}
_LATENT = {
    "q_lora_rank": 20, "kv_lora_rank": 24, "qk_rope_head_dim": 8, "qk_nope_head_dim": 12,
    "v_head_dim": 16, "num_key_value_heads": 4, "n_routed_experts": 4, "num_experts_per_tok": 2,
    "moe_intermediate_size": 28, "n_shared_experts": 2, "n_group": 2, "topk_group": 1,
}  # fmt: skip
_GEMMA4 = {
    "head_dim": 16, "global_head_dim": 32, "hidden_size_per_layer_input": 0,
    "layer_types": ["sliding_attention", "sliding_attention", "full_attention"],
}  # fmt: skip
_SMALL_VISION = {
    "hidden_size": 32, "intermediate_size": 52, "num_hidden_layers": 2, "num_attention_heads": 2,
    "image_size": 28, "patch_size": 14,
}  # fmt: skip
_QWEN_VISION = {
    "depth": 2, "hidden_size": 32, "intermediate_size": 52, "num_heads": 2, "out_hidden_size": 48,
    "num_position_embeddings": 16, "patch_size": 4, "deepstack_visual_indexes": [0],
}  # fmt: skip
_GEMMA4_VISION = {
    "hidden_size": 32, "intermediate_size": 52, "num_hidden_layers": 2, "num_attention_heads": 2,
    "num_key_value_heads": 2, "head_dim": 16, "patch_size": 4, "position_embedding_size": 10,
    "standardize": True,
}  # fmt: skip
_HEAD = {"head_dim": 20}
_TIED = {"tie_word_embeddings": True}
_BIAS = {"attention_bias": True}
_MROPE = {
    "rope_parameters": {"rope_type": "default", "rope_theta": 1e4, "mrope_section": [4, 2, 2]}
}

FAMILIES: dict[str, tuple[str, dict[str, Any]]] = {
    "llama": ("llama", {}),
    "llama, tied": ("llama", _TIED),
    "llama with biases": ("llama", _BIAS | {"mlp_bias": True}),
    "granite": ("granite", _BIAS),
    "smollm3": ("smollm3", {}),
    "arcee": ("arcee", {"mlp_bias": True}),
    "mistral": ("mistral", _HEAD),
    "ministral3": ("ministral3", _HEAD),
    "ernie4_5": ("ernie4_5", {"use_bias": True}),
    "seed_oss": ("seed_oss", {"attention_out_bias": True}),
    "qwen2": ("qwen2", {}),
    "qwen3": ("qwen3", _HEAD | _TIED),
    "phi3": ("phi3", {}),
    "gemma": ("gemma", _TIED),
    "gemma2": ("gemma2", _HEAD | _TIED),
    "gemma3": ("gemma3_text", _HEAD | _TIED),
    "glm": ("glm", {}),
    "glm4": ("glm4", _HEAD),
    "olmo": ("olmo", {}),
    "olmo2": ("olmo2", {}),
    "olmo3": ("olmo3", {}),
    "exaone4": ("exaone4", {}),
    "qwen2_moe": ("qwen2_moe", _SHARED | {"mlp_only_layers": [1]}),
    "qwen3_moe": ("qwen3_moe", _EXPERTS | {"decoder_sparse_step": 2}),
    "mixtral": ("mixtral", {"num_local_experts": 3}),
    "olmoe": ("olmoe", {"num_experts": 3}),
    "deepseek_v3": ("deepseek_v3", _LATENT | {"first_k_dense_replace": 1}),
    "deepseek_v3, no latent of queries": (
        "deepseek_v3", _LATENT | _BIAS | {"q_lora_rank": None, "first_k_dense_replace": 0},
    ),
    "glm4_moe": (
        "glm4_moe",
        {
            "n_routed_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 28,
            "n_shared_experts": 1, "first_k_dense_replace": 1, "use_qk_norm": True, "n_group": 1,
            "topk_group": 1,
        } | _BIAS | _HEAD,
    ),
    "glm4_moe_lite": ("glm4_moe_lite", _LATENT),
    "gpt_oss": ("gpt_oss", {"num_local_experts": 3, "num_experts_per_tok": 2} | _HEAD),
    "qwen3_next": ("qwen3_next", _DELTA | _SHARED | _HEAD),
    "qwen3_5": ("qwen3_5_text", _DELTA | _HEAD),
    "qwen3_5_moe": ("qwen3_5_moe_text", _DELTA | _SHARED | _HEAD),
    "granitemoe": ("granitemoe", {"num_local_experts": 3, "num_experts_per_tok": 2}),
    "granite hybrid": (
        "granitemoehybrid",
        {
            "layer_types": ["mamba", "attention", "mamba"], "num_local_experts": 0,
            "shared_intermediate_size": 36, "mamba_n_heads": 4, "mamba_d_head": 24,
            "mamba_d_state": 16,
        },
    ),
    "granite hybrid with experts": (
        "granitemoehybrid",
        {
            "layer_types": ["mamba", "attention", "mamba"], "num_local_experts": 3,
            "num_experts_per_tok": 2, "shared_intermediate_size": 36, "mamba_n_heads": 4,
            "mamba_d_head": 24, "mamba_d_state": 16, "mamba_proj_bias": True,
        },
    ),
    "nemotron_h": (
        "nemotron_h",
        {
            "layers_block_type": ["mamba", "attention", "moe", "mlp"], "head_dim": 20,
            "num_hidden_layers": 4, "mamba_num_heads": 4, "mamba_head_dim": 20,
            "ssm_state_size": 16, "n_groups": 2, "n_routed_experts": 4, "num_experts_per_tok": 2,
            "moe_intermediate_size": 28, "moe_shared_expert_intermediate_size": 36,
        },
    ),
    "gemma4": ("gemma4_text", _GEMMA4 | _TIED),
    "gemma4 with embeddings for each layer": (
        "gemma4_text",
        _GEMMA4 | {
            "hidden_size_per_layer_input": 8, "vocab_size_per_layer_input": 50,
            "num_kv_shared_layers": 0,
        },
    ),
    "gemma4 whose layers share keys": (
        "gemma4_text",
        _GEMMA4 | {
            "num_hidden_layers": 4, "num_kv_shared_layers": 2, "use_double_wide_mlp": True,
            "layer_types": ["sliding_attention", "full_attention"] * 2,
        },
    ),
    "gemma4 with experts": (
        "gemma4_text",
        _GEMMA4 | {
            "attention_k_eq_v": True, "num_global_key_value_heads": 1, "enable_moe_block": True,
            "num_experts": 4, "top_k_experts": 2, "moe_intermediate_size": 28,
        },
    ),
    "gemma3 that sees": (
        "gemma3", {"text_config": SIZES | _HEAD | _TIED, "vision_config": _SMALL_VISION},
    ),
    "mistral3": (
        "mistral3",
        {
            "text_config": SIZES | _HEAD | {"model_type": "mistral"},
            "vision_config": _SMALL_VISION | {"model_type": "pixtral", "head_dim": 16},
            "tie_word_embeddings": False,
        },
    ),
    "qwen3_vl": (
        "qwen3_vl",
        {"text_config": SIZES | {"head_dim": 16} | _MROPE, "vision_config": _QWEN_VISION},
    ),
    "qwen3_vl_moe": (
        "qwen3_vl_moe",
        {"text_config": SIZES | {"head_dim": 16} | _MROPE | _EXPERTS,
         "vision_config": _QWEN_VISION, "tie_word_embeddings": False},
    ),
    "qwen3_5 that sees": (
        "qwen3_5",
        {"text_config": SIZES | _DELTA | _HEAD, "vision_config": _QWEN_VISION,
         "tie_word_embeddings": True},
    ),
    "qwen3_5_moe that sees": (
        "qwen3_5_moe",
        {"text_config": SIZES | _DELTA | _SHARED | _HEAD, "vision_config": _QWEN_VISION},
    ),
    "gemma4 that sees": (
        "gemma4",
        {"text_config": SIZES | _GEMMA4 | _TIED, "vision_config": _GEMMA4_VISION,
         "audio_config": None},
    ),
}  # fmt: skip


def config_of(family: str) -> Any:
    """transformers' config of a family above."""
    from transformers import AutoConfig

    kind, changes = FAMILIES[family]
    sizes = changes if "text_config" in changes else SIZES | changes
    return AutoConfig.for_model(kind, **sizes)


def without_weights(config: Any) -> Any:
    """The model of a config, as shapes alone."""
    import torch
    from transformers import AutoModelForCausalLM, AutoModelForImageTextToText

    auto = AutoModelForImageTextToText if hasattr(config, "vision_config") else AutoModelForCausalLM
    with torch.device("meta"):
        return auto.from_config(config)
