"""From a model's config.json to its shape: a number that is right, or a sentence, never a guess."""

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from training.plan import dense, gemma4
from training.plan.fields import MOST_LAYERS, Fields, NotUnderstood
from training.plan.mixed import MIXED
from training.plan.shape import Shape
from training.plan.stored import bytes_on_disk
from training.plan.towers import TOWERS, tower

_TEXT = {"gemma3": "gemma3_text", "mistral3": "mistral", "qwen3_vl": "qwen3_vl_text",
         "qwen3_vl_moe": "qwen3_vl_moe_text", "qwen3_5": "qwen3_5_text",
         "qwen3_5_moe": "qwen3_5_moe_text", "gemma4": "gemma4_text"}  # fmt: skip
"""The text model of a wrapper that does not name it."""
_TIED = {"gemma3": True, "gemma4": True, "mistral3": True}
"""Whether a wrapper ties its embeddings when its config.json does not say so; else it does not."""
_FOREIGN = re.compile(r"expert|^moe_|mamba|^ssm_|^linear_|_lora_rank|_bias$|qk_norm|per_layer_in")
"""Fields of sizes that plain layers do not have: where one is set, they are not plain."""


def understand(config: Any) -> Shape:
    """The shape of the model with this config.json, parsed; it may hold anything.

    Raises NotUnderstood where a part of it is not known for certain.
    """
    if not isinstance(config, Mapping):
        raise NotUnderstood("its config.json is no object")
    if config.get("auto_map"):
        raise NotUnderstood("it brings code of its own")
    kind = _kind(config)
    fields = Fields(config)
    text = fields.part("text_config")
    if kind not in TOWERS:
        if text is not None:
            raise NotUnderstood(f"nothing is known of models of the type {kind}")
        return _stored(_text(kind, fields, None), config)
    if text is None:
        raise NotUnderstood("its config.json has no text_config")
    own = text.get("model_type") or _TEXT[kind]
    tied = fields.flag("tie_word_embeddings") if "tie_word_embeddings" in config else None
    shape = _text(str(own), text, _TIED.get(kind, False) if tied is None else tied)
    merging = Fields(config, {"spatial_merge_size": 2})
    return _stored(replace(shape, tower=tower(kind, merging, shape.hidden)), config)


def shape_of(config: Any) -> Shape | None:
    """The same; None where it is not understood."""
    try:
        return understand(config)
    except NotUnderstood:
        return None


def _kind(config: Mapping[str, Any]) -> str:
    kind = config.get("model_type")
    if not isinstance(kind, str):
        raise NotUnderstood("its config.json has no model_type")
    return kind


def _text(kind: str, given: Fields, tied: bool | None) -> Shape:
    """A language model. `tied`: as its wrapper has it; None: it has none."""
    if kind in dense.DENSE:
        traits = dense.DENSE[kind]
        read = (traits.qkv_bias, traits.o_bias, traits.mlp_bias)
        for name, value in given.given.items():
            if value and name not in read and _FOREIGN.search(name):
                raise NotUnderstood(f"its config.json has {name}, which no {kind} has")
        fields = Fields(given.given, traits.defaults)
        layers = [dense.layer(traits, fields)] * fields.number(
            "num_hidden_layers", most=MOST_LAYERS
        )
        other = traits.norm_weights * fields.number("hidden_size")
    elif kind in MIXED:
        fields = Fields(given.given, MIXED[kind].defaults)
        layers = MIXED[kind].layers(fields)
        other = fields.number("hidden_size")
    elif kind == "gemma4_text":
        fields = Fields(given.given, gemma4.DEFAULTS)
        layers = gemma4.layers(fields)
        other = fields.number("hidden_size") + gemma4.beside_layers(fields)
    else:
        raise NotUnderstood(f"nothing is known of models of the type {kind}")
    return Shape(
        hidden=fields.number("hidden_size"),
        vocabulary=fields.number("vocab_size"),
        tied=fields.flag("tie_word_embeddings") if tied is None else tied,
        layers=tuple(layers),
        other=other,
    )


def _stored(shape: Shape, config: Mapping[str, Any]) -> Shape:
    return replace(shape, stored=bytes_on_disk(shape, config))
