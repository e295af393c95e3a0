"""What computes between the products of matrices: `loop.kernels`."""

import os
from importlib import import_module
from pathlib import Path
from typing import Any, Literal

import torch
from peft import PeftModel
from torch.distributed.fsdp import FSDPModule
from transformers import PreTrainedModel
from transformers.modeling_layers import GradientCheckpointingLayer

from training.contract.errors import ConfigurationError
from training.model import attention

Kernels = Literal["plain", "liger", "fla", "compiled"]
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
    elif kernels == "fla":
        _require_fla(base)
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
    module = _imported("liger", "liger_kernel.transformers.monkey_patch", base)
    if kind not in module.MODEL_TYPE_TO_APPLY_LIGER_FN:
        raise _unfit("liger", f"it has none for {kind}")
    from transformers.integrations.liger import apply_liger_kernel

    apply_liger_kernel(base, {"cross_entropy": False, "fused_linear_cross_entropy": False})


def _require_fla(base: Any) -> None:
    """transformers takes them for gated delta nets wherever they can be imported."""
    if not hasattr(base.config.get_text_config(), "linear_key_head_dim"):
        raise _unfit("fla", f"{type(base).__name__} has no gated delta nets")
    _imported("fla", "fla.ops.gated_delta_rule", base)


def _imported(kernels: str, module: str, base: Any) -> Any:
    """Kernels of a package that only images of recipes that ask for it have."""
    try:
        found = import_module(module)
    except Exception as missing:  # the package, or Triton, which it needs
        raise _unfit(kernels, f"{type(missing).__name__}: {missing}".splitlines()[0]) from None
    if not _on_gpu(base):
        raise _unfit(kernels, "its kernels need a GPU")
    return found


def _unfit(kernels: str, why: str) -> ConfigurationError:
    return ConfigurationError("kernels_unfit", f"loop.kernels {kernels}: {why}", _REMEDY)


def _on_gpu(base: Any) -> bool:
    return bool(next(base.parameters()).device.type == "cuda")


def _compile(base: Any, cache: Path) -> None:
    """Each layer by itself: one is compiled for all of its kind, and its shapes are few."""
    if any(isinstance(module, FSDPModule) for module in base.modules()):
        raise _unfit("compiled", "the layers of a sharded base are not compiled")
    for name in ("TORCHINDUCTOR_CACHE_DIR", "TRITON_CACHE_DIR"):
        os.environ.setdefault(name, str(cache / f"{torch.__version__}" / name.partition("_")[0]))
    torch._dynamo.config.recompile_limit = _SHAPES
    layers = [one for one in base.modules() if isinstance(one, GradientCheckpointingLayer)]
    if not layers:
        raise _unfit("compiled", f"{type(base).__name__} has no layers that are known here")
    for layer in layers:
        layer.compile(dynamic=True)
