"""Gemma 4's text model: two kinds of attention, and what each of its sizes switches on."""

from collections.abc import Mapping
from typing import Any

from training.plan import feed_forward, mixers
from training.plan.fields import MOST_LAYERS, Fields, NotUnderstood
from training.plan.shape import Linear, Part

DEFAULTS: Mapping[str, Any] = {
    "vocab_size": 262144, "head_dim": 256, "global_head_dim": 512, "tie_word_embeddings": True,
    "hidden_size_per_layer_input": 256, "vocab_size_per_layer_input": 262144,
}  # fmt: skip


def layers(fields: Fields) -> list[Part]:
    """Every sixth layer attends to the whole row, or those that the file names."""
    count, shared = (
        fields.number("num_hidden_layers", most=MOST_LAYERS),
        fields.get("num_kv_shared_layers") or 0,
    )
    kinds = fields.words("layer_types", count)
    whole = [
        (i + 1) % 6 == 0 if kinds is None else kinds[i] == "full_attention" for i in range(count)
    ]
    if not isinstance(shared, int) or not 0 <= shared < count:
        raise NotUnderstood("num_kv_shared_layers in its config.json is no number of layers")
    whole[-1] = True
    return [_layer(fields, i, whole[i], shares=i >= count - shared) for i in range(count)]


def _layer(fields: Fields, index: int, whole: bool, *, shares: bool) -> Part:
    """`shares`: keys and values are those of an earlier layer."""
    hidden, inner = fields.number("hidden_size"), fields.number("intermediate_size")
    wide = shares and fields.flag("use_double_wide_mlp")
    part = _attention(fields, index, whole, shares) + feed_forward.norms(hidden, 4)
    part += feed_forward.mlp(hidden, inner * (2 if wide else 1))
    if fields.flag("enable_moe_block"):
        number = fields.number("num_experts")
        part += feed_forward.experts(
            hidden, fields.number("moe_intermediate_size"), number, fields.number("top_k_experts")
        )
        part += feed_forward.norms(hidden, 3) + Part(other=hidden + number)
    if small := fields.number("hidden_size_per_layer_input", least=0):
        part += feed_forward.norms(hidden)
        part += Part(
            linear=(
                Linear("per_layer_input_gate", hidden, small),
                Linear("per_layer_projection", small, hidden),
            ),
            inputs=hidden + small,
            kept=3 * small,
        )
    return part


def _attention(fields: Fields, index: int, whole: bool, shares: bool) -> Part:
    head, key_heads = fields.number("head_dim"), fields.number("num_key_value_heads")
    same = whole and fields.flag("attention_k_eq_v")
    if (own := fields.part("per_layer_config")) is not None:
        if (of_layer := own.part(str(index))) is not None:
            head = of_layer.number("head_dim") if of_layer.get("head_dim") else head
            if of_layer.get("num_key_value_heads"):
                key_heads = of_layer.number("num_key_value_heads")
    elif whole:
        head = fields.number("global_head_dim")
        if same and fields.get("num_global_key_value_heads") is not None:
            key_heads = fields.number("num_global_key_value_heads")
    bias = fields.flag("attention_bias")
    return mixers.attention(
        fields.number("hidden_size"),
        fields.number("num_attention_heads"),
        key_heads,
        head,
        bias=(bias, bias),
        norms="head",
        values=not same,
        keys=not shares,
    )


def beside_layers(fields: Fields) -> int:
    """Weights of the embeddings that each layer has of its own (E2B, E4B)."""
    small = fields.number("hidden_size_per_layer_input", least=0)
    wide = small * fields.number("num_hidden_layers")
    words = fields.number("vocab_size_per_layer_input") if small else 0
    return words * wide + fields.number("hidden_size") * wide + small
