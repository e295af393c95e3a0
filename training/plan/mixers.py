"""What makes a layer see other tokens: attention, with and without latents, and recurrences.

Weights are those of transformers' modules. What a token keeps was measured on them
(tests/training/plan/test_kept.py).
"""

from typing import Literal

from training.plan.fields import Fields
from training.plan.shape import Linear, Part

Norms = Literal["none", "head", "whole"]


def attention(
    hidden: int,
    heads: int,
    key_heads: int,
    head: int,
    *,
    bias: tuple[bool, bool] = (False, False),
    norms: Norms = "none",
    fused: bool = False,
    gated: bool = False,
    sinks: bool = False,
    written_out: int = 0,
    values: bool = True,
    keys: bool = True,
) -> Part:
    """Grouped attention. `bias`: of queries, keys and values; of the output.

    `norms` of queries and keys: of each head, or of all together. `gated`: the queries bring a gate
    for the output. `written_out`: how many times the weights of attention are kept, where no fused
    operation computes it. Without `values` they are the keys; without `keys` both come from another
    layer.
    """
    asked, told = heads * head, key_heads * head
    asking = asked * (2 if gated else 1)
    sides = (1 + values) * keys
    linear: tuple[Linear, ...]
    if fused:
        linear = (Linear("qkv_proj", hidden, asked + 2 * told),)
    else:
        linear = (Linear("q_proj", hidden, asking),)
        linear += (Linear("k_proj", hidden, told), Linear("v_proj", hidden, told))[:sides]
    other = bias[0] * (asking + sides * told) + bias[1] * hidden + sinks * heads
    if norms == "head":
        other += head * (1 + keys)
    elif norms == "whole":
        other += asked + told * keys
    return Part(
        linear=(*linear, Linear("o_proj", asked, hidden)),
        other=other,
        scores=asked,
        inputs=hidden + asked,
        kept=3 * asked + 2 * told + gated * 3 * asked,
        kept_float=0 if norms == "none" else asked + told,
        square=written_out * heads,
    )


def latent_attention(fields: Fields) -> Part:
    """DeepSeek's: queries, keys and values come from small latents."""
    hidden, heads = fields.number("hidden_size"), fields.number("num_attention_heads")
    plain, turned = fields.number("qk_nope_head_dim"), fields.number("qk_rope_head_dim")
    value, rank = fields.number("v_head_dim"), fields.number("kv_lora_rank")
    asked, told = heads * (plain + turned), heads * value
    bias = fields.flag("attention_bias")
    if fields.get("q_lora_rank") is None and fields.names("q_lora_rank"):
        queries = Part(linear=(Linear("q_proj", hidden, asked),))
    else:
        small = fields.number("q_lora_rank")
        queries = Part(
            linear=(Linear("q_a_proj", hidden, small), Linear("q_b_proj", small, asked)),
            other=small + bias * small,
            inputs=small,
            kept=2 * small,
        )
    return queries + Part(
        linear=(
            Linear("kv_a_proj_with_mqa", hidden, rank + turned),
            Linear("kv_b_proj", rank, heads * (plain + value)),
            Linear("o_proj", told, hidden),
        ),
        other=rank + bias * (rank + turned + hidden),
        scores=asked,
        inputs=hidden + rank + told,
        kept=3 * asked + 2 * told + rank,
    )


def delta_net(fields: Fields, *, fused: bool) -> Part:
    """Gated delta net of Qwen3-Next and Qwen3.5; `fused`: as Qwen3-Next lays its inputs out.

    Computed in float32, as torch does where no kernels for it are installed.
    """
    hidden = fields.number("hidden_size")
    key_heads, heads = (
        fields.number("linear_num_key_heads"),
        fields.number("linear_num_value_heads"),
    )
    head, value = fields.number("linear_key_head_dim"), fields.number("linear_value_head_dim")
    keys, values = key_heads * head, heads * value
    mixed = 2 * keys + values
    inputs: tuple[Linear, ...]
    if fused:
        inputs = (Linear("in_proj_qkvz", hidden, mixed + values),)
        inputs += (Linear("in_proj_ba", hidden, 2 * heads),)
    else:
        inputs = (Linear("in_proj_qkv", hidden, mixed), Linear("in_proj_z", hidden, values))
        inputs += (Linear("in_proj_b", hidden, heads), Linear("in_proj_a", hidden, heads))
    return Part(
        linear=(*inputs, Linear("out_proj", values, hidden)),
        other=mixed * fields.number("linear_conv_kernel_dim") + 2 * heads + value,
        inputs=hidden + values,
        kept=2 * mixed + 4 * heads * head + 3 * heads * _CHUNK,
        kept_float=heads * (4 * _CHUNK + 5 * head + 5 * value + 4 * head * value // _CHUNK),
        working=4 * mixed,
    )


_CHUNK = 64
"""Tokens that transformers' own delta rule takes together."""


def mamba(
    hidden: int,
    heads: int,
    head: int,
    groups: int,
    state: int,
    kernel: int,
    chunk: int,
    *,
    conv_bias: bool,
    bias: bool,
) -> Part:
    """Mamba 2, `chunk` tokens at a time, computed in float32, as torch does where no kernels for it
    are installed."""
    inner = heads * head
    convolved = inner + 2 * groups * state
    taken = inner + convolved + heads
    return Part(
        linear=(Linear("in_proj", hidden, taken), Linear("out_proj", inner, hidden)),
        other=convolved * (kernel + conv_bias) + 3 * heads + inner + bias * (taken + hidden),
        inputs=hidden + inner,
        kept=2 * convolved + 2 * inner + heads * (chunk + state) + 5 * inner * state // chunk,
        kept_float=4 * inner + 2 * heads * (chunk + state),
        working=4 * taken,
    )
