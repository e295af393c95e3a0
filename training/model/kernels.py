"""What computes between the products of matrices: `loop.kernels`."""

import os
from pathlib import Path
from typing import Any, Literal

import torch
from peft import PeftModel
from torch.distributed.fsdp import FSDPModule
from transformers import PreTrainedModel
from transformers.modeling_layers import GradientCheckpointingLayer

from training.contract.errors import ConfigurationError
from training.model import attention

Kernels = Literal["plain", "liger", "compiled"]
CACHE = "compiled"
"""Folder of what is compiled, in the cache that containers may write to."""
_SHAPES = 16
"""Most versions of a layer; the length of a row is not one of them."""
_REMEDY = "Set loop.kernels to plain."


def use(model: PreTrainedModel | PeftModel, kernels: Kernels, cache_dir: Path) -> None:
    """Let the model's layers be computed so. Before its first pass.

    Raises ConfigurationError for what cannot be had here.
    """
    base = model.get_base_model() if isinstance(model, PeftModel) else model
    if kernels == "liger":
        _use_liger(base)
    elif kernels == "compiled":
        if attention.how(base) == attention.BY_SEQUENCE and _on_gpu(base):
            raise ConfigurationError(
                "kernels_unfit",
                "loop.kernels compiled: attention by sequence would be compiled for every batch",
                "Set loop.kernels to plain, or loop.batching to padded.",
            )
        _compile(base, cache_dir / CACHE)


def _use_liger(base: Any) -> None:
    """Liger's norms, rotary positions and gates; the loss stays trl's."""
    kind = base.config.model_type
    try:
        from liger_kernel.transformers.monkey_patch import (  # type: ignore[import-not-found]
            MODEL_TYPE_TO_APPLY_LIGER_FN,
        )
        from transformers.integrations.liger import apply_liger_kernel
    except Exception as missing:  # the package, or Triton's half of it
        raise ConfigurationError(
            "kernels_unfit",
            f"loop.kernels liger: {type(missing).__name__}: {missing}".splitlines()[0],
            _REMEDY,
        ) from None
    if not _on_gpu(base):
        raise ConfigurationError(
            "kernels_unfit", "loop.kernels liger: its kernels need a GPU", _REMEDY
        )
    if kind not in MODEL_TYPE_TO_APPLY_LIGER_FN:
        raise ConfigurationError(
            "kernels_unfit", f"loop.kernels liger: it has none for {kind}", _REMEDY
        )
    apply_liger_kernel(base, {"cross_entropy": False, "fused_linear_cross_entropy": False})


def _on_gpu(base: Any) -> bool:
    return bool(next(base.parameters()).device.type == "cuda")


def _compile(base: Any, cache: Path) -> None:
    """Each layer by itself: one is compiled for all of its kind, and its shapes are few."""
    if any(isinstance(module, FSDPModule) for module in base.modules()):
        raise ConfigurationError(
            "kernels_unfit",
            "loop.kernels compiled: the layers of a sharded base are not compiled",
            _REMEDY,
        )
    for name in ("TORCHINDUCTOR_CACHE_DIR", "TRITON_CACHE_DIR"):
        os.environ.setdefault(name, str(cache / f"{torch.__version__}" / name.partition("_")[0]))
    torch._dynamo.config.recompile_limit = _SHAPES
    layers = [one for one in base.modules() if isinstance(one, GradientCheckpointingLayer)]
    if not layers:
        raise ConfigurationError(
            "kernels_unfit",
            f"loop.kernels compiled: {type(base).__name__} has no layers that are known here",
            _REMEDY,
        )
    for layer in layers:
        layer.compile(dynamic=True)
