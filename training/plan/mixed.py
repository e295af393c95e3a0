"""Families whose layers differ: experts in some, a recurrence instead of attention in others."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from training.plan import feed_forward, mixers
from training.plan.dense import Traits, attention
from training.plan.fields import MOST_LAYERS, Fields, NotUnderstood
from training.plan.shape import Part

_KINDS = {"mamba": "linear_attention", "attention": "full_attention"}
"""Names of kinds of layers in files of before transformers 5."""
_LETTERS = {"M": "linear_attention", "*": "full_attention", "-": "mlp", "E": "moe"}


@dataclass(frozen=True)
class Mixed:
    """How the layers of a family are built, and what its class takes where a field is missing."""

    layers: Callable[[Fields], list[Part]]
    defaults: Mapping[str, Any] = field(default_factory=dict)


def _each(layer: Callable[[Fields, int], Part]) -> Callable[[Fields], list[Part]]:
    def layers(fields: Fields) -> list[Part]:
        return [layer(fields, i) for i in range(_layer_count(fields))]

    return layers


def _layer_count(fields: Fields) -> int:
    return fields.number("num_hidden_layers", most=MOST_LAYERS)


def _norms(fields: Fields) -> Part:
    return feed_forward.norms(fields.number("hidden_size"), 2)


def _experts(fields: Fields, inner: str, *, bias: bool = False, gated: bool = True) -> Part:
    return feed_forward.experts(
        fields.number("hidden_size"),
        fields.number(inner),
        fields.number("num_experts", "num_local_experts", "n_routed_experts"),
        fields.number("num_experts_per_tok"),
        bias=bias,
        gated=gated,
    )


def _mlp(fields: Fields, inner: int, *, gated: bool = True) -> Part:
    return feed_forward.mlp(fields.number("hidden_size"), inner, gated=gated)


def _dense(fields: Fields) -> Part:
    return _mlp(fields, fields.number("intermediate_size"))


def _qwen_mlp(fields: Fields, index: int, *, shared: bool) -> Part:
    """Experts in every `decoder_sparse_step`-th layer, but for those named; `shared`: one more."""
    step, named = fields.number("decoder_sparse_step"), fields.numbers("mlp_only_layers")
    if index in named or (index + 1) % step:
        return _dense(fields)
    return _experts(fields, "moe_intermediate_size") + (_shared(fields) if shared else Part())


def _shared(fields: Fields) -> Part:
    gate = Part(other=fields.number("hidden_size"))
    return gate + _mlp(fields, fields.number("shared_expert_intermediate_size"))


def _of_deepseek(fields: Fields, index: int) -> Part:
    """The first layers are dense; in the others some experts are for every token."""
    if index < fields.number("first_k_dense_replace", least=0):
        return _dense(fields)
    inner = fields.number("moe_intermediate_size")
    shared = fields.number("n_shared_experts") * inner
    return _experts(fields, "moe_intermediate_size") + _mlp(fields, shared)


_BIASED = Traits("attention_bias", "attention_bias")
_HEAD_NORMS = Traits("attention_bias", "attention_bias", query_key_norms="head")


def _qwen2_moe(fields: Fields, index: int) -> Part:
    return (
        attention(Traits("qkv_bias"), fields)
        + _qwen_mlp(fields, index, shared=True)
        + _norms(fields)
    )


def _qwen3_moe(fields: Fields, index: int) -> Part:
    return attention(_HEAD_NORMS, fields) + _qwen_mlp(fields, index, shared=False) + _norms(fields)


def _mixtral(fields: Fields, index: int) -> Part:
    return attention(Traits(), fields) + _experts(fields, "intermediate_size") + _norms(fields)


def _olmoe(fields: Fields, index: int) -> Part:
    traits = Traits("attention_bias", "attention_bias", query_key_norms="whole")
    return attention(traits, fields) + _experts(fields, "intermediate_size") + _norms(fields)


def _deepseek(fields: Fields, index: int) -> Part:
    return mixers.latent_attention(fields) + _of_deepseek(fields, index) + _norms(fields)


def _glm4_moe(fields: Fields, index: int) -> Part:
    normed = fields.flag("use_qk_norm")
    traits = Traits("attention_bias", query_key_norms="head" if normed else "none")
    return attention(traits, fields) + _of_deepseek(fields, index) + _norms(fields)


def _glm4_moe_lite(fields: Fields, index: int) -> Part:
    kinds = fields.words("mlp_layer_types", _layer_count(fields))
    dense = index == 0 if kinds is None else kinds[index] == "dense"
    of_layer = Fields(fields.given, {**fields.defaults, "first_k_dense_replace": 0})
    mlp = _dense(fields) if dense else _of_deepseek(of_layer, index)
    return mixers.latent_attention(fields) + mlp + _norms(fields)


def _gpt_oss(fields: Fields, index: int) -> Part:
    experts = _experts(fields, "intermediate_size", bias=True)
    return attention(_BIASED, fields, sinks=True, written_out=1) + experts + _norms(fields)


def _qwen_mixer(fields: Fields, index: int, *, fused: bool) -> Part:
    """Attention in every fourth layer, or as the file says; gated delta nets in the others."""
    count, every = _layer_count(fields), fields.number("full_attention_interval")
    kinds = fields.words("layer_types", count)
    linear = bool((index + 1) % every) if kinds is None else _kind(kinds[index]) != "full_attention"
    if linear:
        return mixers.delta_net(fields, fused=fused)
    return attention(_HEAD_NORMS, fields, gated=True)


def _qwen3_next(fields: Fields, index: int) -> Part:
    return (
        _qwen_mixer(fields, index, fused=True)
        + _qwen_mlp(fields, index, shared=True)
        + _norms(fields)
    )


def _qwen3_5(fields: Fields, index: int) -> Part:
    return _qwen_mixer(fields, index, fused=False) + _dense(fields) + _norms(fields)


def _qwen3_5_moe(fields: Fields, index: int) -> Part:
    experts = _experts(fields, "moe_intermediate_size") + _shared(fields)
    return _qwen_mixer(fields, index, fused=False) + experts + _norms(fields)


def _granite_moe(fields: Fields, index: int) -> Part:
    return attention(_BIASED, fields) + _experts(fields, "intermediate_size") + _norms(fields)


def _granite_hybrid(fields: Fields, index: int) -> Part:
    hidden, heads = fields.number("hidden_size"), fields.number("mamba_n_heads")
    kinds = fields.words("layer_types", _layer_count(fields))
    if kinds is not None and _kind(kinds[index]) == "full_attention":
        mixer = attention(_BIASED, fields)
    else:
        inner = fields.number("mamba_expand") * hidden
        own = fields.get("mamba_d_head")
        mixer = mixers.mamba(
            hidden,
            heads,
            inner // heads if own in (None, "auto") else fields.number("mamba_d_head"),
            fields.number("mamba_n_groups"),
            fields.number("mamba_d_state"),
            fields.number("mamba_d_conv"),
            fields.number("mamba_chunk_size"),
            conv_bias=fields.flag("mamba_conv_bias"),
            bias=fields.flag("mamba_proj_bias"),
        )
    shared = feed_forward.mlp(hidden, fields.number("shared_intermediate_size"), fused=True)
    shared = _renamed(shared, {"gate_up_proj": "input_linear", "down_proj": "output_linear"})
    routed = fields.number("num_local_experts", least=0)
    return (
        mixer
        + shared
        + (_experts(fields, "intermediate_size") if routed else Part())
        + _norms(fields)
    )


def _renamed(part: Part, names: Mapping[str, str]) -> Part:
    linear = tuple(one._replace(name=names[one.name]) for one in part.linear)
    return Part(linear) + Part(**{k: v for k, v in vars(part).items() if k != "linear"})


def _nemotron_h(fields: Fields) -> list[Part]:
    """One thing a layer, as a list of words or a pattern of letters says."""
    listed, pattern = (
        fields.get("layers_block_type", "layer_types"),
        fields.get("hybrid_override_pattern"),
    )
    if listed is None and isinstance(pattern, str):
        listed = [_LETTERS.get(letter, letter) for letter in pattern]
    if not isinstance(listed, list) or not 0 < len(listed) <= MOST_LAYERS:
        raise NotUnderstood("its config.json does not say what its layers are")
    norm = feed_forward.norms(fields.number("hidden_size"))
    return [_of_nemotron(fields, _kind(kind)) + norm for kind in listed]


def _of_nemotron(fields: Fields, kind: str) -> Part:
    hidden = fields.number("hidden_size")
    if kind == "full_attention":
        return attention(Traits(), fields)
    if kind == "mlp":
        return feed_forward.mlp(
            hidden, fields.number("intermediate_size"), bias=fields.flag("mlp_bias"), gated=False
        )
    if kind == "moe":
        if fields.get("moe_latent_size") is not None or fields.flag("mlp_bias"):
            raise NotUnderstood("its experts work on latents, or have a bias")
        shared = fields.number("moe_shared_expert_intermediate_size")
        return _experts(fields, "moe_intermediate_size", gated=False) + _mlp(
            fields, shared, gated=False
        )
    if kind != "linear_attention":
        raise NotUnderstood(f"its config.json has layers of a kind {kind}")
    return mixers.mamba(
        hidden,
        fields.number("mamba_num_heads"),
        fields.number("mamba_head_dim"),
        fields.number("mamba_n_groups", "n_groups"),
        fields.number("ssm_state_size"),
        fields.number("mamba_d_conv", "conv_kernel"),
        fields.number("mamba_chunk_size", "chunk_size"),
        conv_bias=fields.flag("mamba_conv_bias", "use_conv_bias"),
        bias=fields.flag("use_bias"),
    )


def _kind(name: object) -> str:
    return _KINDS.get(str(name), str(name))


_SPARSE = {"decoder_sparse_step": 1}
_DELTA = {
    "head_dim": 256, "full_attention_interval": 4, "linear_conv_kernel_dim": 4,
    "linear_key_head_dim": 128, "linear_value_head_dim": 128, "linear_num_key_heads": 16,
    "linear_num_value_heads": 32,
}  # fmt: skip
_MAMBA_GRANITE = {
    "mamba_n_groups": 1, "mamba_d_state": 256, "mamba_d_conv": 4, "mamba_expand": 2,
    "mamba_chunk_size": 256,
    "mamba_n_heads": 128, "mamba_conv_bias": True, "shared_intermediate_size": 1024,
    "num_local_experts": 8, "num_experts_per_tok": 2,
}  # fmt: skip
_MAMBA_NEMOTRON = {
    "head_dim": 128,
    "n_groups": 8,
    "conv_kernel": 4,
    "chunk_size": 128,
    "use_conv_bias": True,
}

MIXED: Mapping[str, Mixed] = {
    "qwen2_moe": Mixed(_each(_qwen2_moe), _SPARSE | {"qkv_bias": True}),
    "qwen3_moe": Mixed(_each(_qwen3_moe), _SPARSE),
    "qwen3_vl_moe_text": Mixed(_each(_qwen3_moe), _SPARSE),
    "mixtral": Mixed(_each(_mixtral)),
    "olmoe": Mixed(_each(_olmoe)),
    "deepseek_v3": Mixed(_each(_deepseek)),
    "glm4_moe": Mixed(_each(_glm4_moe)),
    "glm4_moe_lite": Mixed(_each(_glm4_moe_lite)),
    "gpt_oss": Mixed(_each(_gpt_oss), {"head_dim": 64, "attention_bias": True}),
    "qwen3_next": Mixed(_each(_qwen3_next), _DELTA | _SPARSE),
    "qwen3_5_text": Mixed(_each(_qwen3_5), _DELTA),
    "qwen3_5_moe_text": Mixed(_each(_qwen3_5_moe), _DELTA),
    "granitemoe": Mixed(_each(_granite_moe)),
    "granitemoehybrid": Mixed(_each(_granite_hybrid), _MAMBA_GRANITE),
    "nemotron_h": Mixed(_nemotron_h, _MAMBA_NEMOTRON),
}
