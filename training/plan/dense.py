"""Families whose layers are all alike: attention and one MLP. What tells them apart is a table.

A row says what a family's class in transformers does whatever config.json says, and what it takes
where a field is not there. tests/training/plan/test_shapes.py compares each with the class itself.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from training.plan import feed_forward, mixers
from training.plan.fields import Fields
from training.plan.shape import Part

Bias = bool | str
"""Always, never, or as the field of this name says."""


@dataclass(frozen=True)
class Traits:
    """How the layers of a family are built."""

    qkv_bias: Bias = False
    o_bias: Bias = False
    mlp_bias: Bias = False
    query_key_norms: mixers.Norms = "none"
    fused_attention: bool = False
    fused_mlp: bool = False
    gated: bool = True
    norms: int = 2
    """Norms of a layer, beside those of queries and keys."""
    norm_weights: bool = True
    written_out: int = 0
    """As `mixers.attention` has it."""
    defaults: Mapping[str, Any] = field(default_factory=dict)


_LLAMA = Traits(
    "attention_bias", "attention_bias", "mlp_bias", defaults={"num_key_value_heads": None}
)
_GEMMA = {"head_dim": 256, "tie_word_embeddings": True}
_GLM = {"head_dim": 128, "attention_bias": True}

DENSE: Mapping[str, Traits] = {
    "llama": _LLAMA,
    "granite": _LLAMA,
    "smollm3": Traits(
        "attention_bias", "attention_bias", "mlp_bias", defaults={"tie_word_embeddings": True}
    ),
    "arcee": Traits("attention_bias", "attention_bias", "mlp_bias", gated=False),
    "mistral": Traits(),
    "ministral3": Traits(defaults={"head_dim": 128}),
    "ernie4_5": Traits(
        "use_bias", "use_bias", "use_bias", defaults={"head_dim": 128, "tie_word_embeddings": True}
    ),
    "seed_oss": Traits(
        "attention_bias", "attention_out_bias", "mlp_bias",
        defaults={"head_dim": 128, "attention_bias": True},
    ),
    "qwen2": Traits(qkv_bias=True),
    "qwen3": Traits(
        "attention_bias", "attention_bias", query_key_norms="head", defaults={"head_dim": 128}
    ),
    "qwen3_vl_text": Traits(
        "attention_bias", "attention_bias", query_key_norms="head", defaults={"head_dim": 128}
    ),
    "phi3": Traits(fused_attention=True, fused_mlp=True),
    "gemma": Traits("attention_bias", "attention_bias", defaults=_GEMMA),
    "gemma2": Traits("attention_bias", "attention_bias", norms=4, written_out=4, defaults=_GEMMA),
    "gemma3_text": Traits(
        "attention_bias", "attention_bias", query_key_norms="head", norms=4,
        defaults=_GEMMA | {
            "vocab_size": 262208, "num_attention_heads": 8, "num_key_value_heads": 4,
        },
    ),
    "glm": Traits("attention_bias", fused_mlp=True, defaults=_GLM),
    "glm4": Traits("attention_bias", fused_mlp=True, norms=4, defaults=_GLM),
    "olmo": Traits("attention_bias", "attention_bias", norm_weights=False),
    "olmo2": Traits("attention_bias", "attention_bias", query_key_norms="whole"),
    "olmo3": Traits("attention_bias", "attention_bias", query_key_norms="whole"),
    "exaone4": Traits(query_key_norms="head"),
}  # fmt: skip


def layer(traits: Traits, fields: Fields) -> Part:
    """Any layer of a family in the table."""
    hidden = fields.number("hidden_size")
    mlp = feed_forward.mlp(
        hidden,
        fields.number("intermediate_size"),
        bias=_holds(traits.mlp_bias, fields),
        fused=traits.fused_mlp,
        gated=traits.gated,
    )
    norms = feed_forward.norms(hidden, traits.norms, None if traits.norm_weights else 0)
    return attention(traits, fields, written_out=traits.written_out) + mlp + norms


def attention(
    traits: Traits,
    fields: Fields,
    *,
    gated: bool = False,
    sinks: bool = False,
    written_out: int = 0,
) -> Part:
    """Of a family with these traits; for the rest see `mixers.attention`."""
    heads, head = fields.number("num_attention_heads"), head_size(fields)
    alike = fields.get("num_key_value_heads") is None and fields.names("num_key_value_heads")
    return mixers.attention(
        fields.number("hidden_size"),
        heads,
        heads if alike else fields.number("num_key_value_heads"),
        head,
        bias=(_holds(traits.qkv_bias, fields), _holds(traits.o_bias, fields)),
        norms=traits.query_key_norms,
        fused=traits.fused_attention,
        gated=gated,
        sinks=sinks,
        written_out=written_out,
    )


def head_size(fields: Fields) -> int:
    """Numbers of a head: as the file says, else the hidden size shared out."""
    if fields.get("head_dim") is not None:
        return fields.number("head_dim")
    return fields.number("hidden_size") // fields.number("num_attention_heads")


def _holds(bias: Bias, fields: Fields) -> bool:
    return fields.flag(bias) if isinstance(bias, str) else bias
