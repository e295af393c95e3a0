"""How many bytes the files of a checkpoint have: what is downloaded, and kept on a disk."""

from collections.abc import Mapping
from typing import Any

from training.plan.fields import NotUnderstood
from training.plan.shape import Shape

_BYTES = {"float64": 8, "float32": 4, "float16": 2, "bfloat16": 2, "float8_e4m3fn": 1}
_MXFP4 = 4 + 8 / 32
"""Bits of a weight with its share of the scale of a block of 32."""
_BLOCKS_64 = 4 + 8 / 64
"""The same of 64 weights, doubly quantised."""


def bytes_on_disk(shape: Shape, config: Mapping[str, Any]) -> int:
    """About: weights in the format that config.json names, those of quantised layers in theirs."""
    wide = _width(config)
    how = config.get("quantization_config") or config.get("compression_config")
    if how is None:
        return wide * shape.parameters
    if not isinstance(how, Mapping):
        raise NotUnderstood("quantization_config in its config.json is no object")
    linear = sum(one.weights for one in shape.linear)
    routed = sum(one.weights for one in shape.experts)
    match how.get("quant_method"):
        case "fp8":
            small, bits = linear + routed, 8.0
        case "mxfp4":
            small, bits = routed, _MXFP4
        case "bitsandbytes":
            four = how.get("load_in_4bit") or how.get("_load_in_4bit")
            small, bits = linear, _BLOCKS_64 if four else 8.0
        case other:
            raise NotUnderstood(f"its weights are quantised, as {other}")
    return int(small * bits / 8) + wide * (shape.parameters - small)


def _width(config: Mapping[str, Any]) -> int:
    """Bytes of a weight: transformers names the format `dtype`, before version 5 `torch_dtype`."""
    inner = config.get("text_config")
    for part in (config, inner if isinstance(inner, Mapping) else {}):
        for name in ("dtype", "torch_dtype"):
            if isinstance(found := part.get(name), str):
                return _BYTES.get(found.removeprefix("torch."), 2)
    return 2
