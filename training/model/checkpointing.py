"""What a backward pass needs is kept, or computed again."""

from functools import partial
from typing import Any

import torch
from peft import PeftModel
from torch.utils.checkpoint import CheckpointPolicy, create_selective_checkpoint_contexts
from transformers import PreTrainedModel

from training.plan.checkpointing import Recompute

_DEAR = 512
"""Products of matrices with at least so many terms in a sum are kept. An adapter's second one has
its rank, and an output as large as the layer's."""
_PRODUCTS = ("mm", "addmm", "bmm", "_grouped_mm")
_ATTENTION = (
    "_scaled_dot_product_flash_attention",
    "_scaled_dot_product_efficient_attention",
    "_scaled_dot_product_cudnn_attention",
    "_scaled_dot_product_flash_attention_for_cpu",
)
"""Of torch; what trl's own policy keeps, which knows neither varlen_attn nor products."""


def recompute(model: PreTrainedModel | PeftModel, how: Recompute) -> None:
    """Let each layer keep its input alone (True), what is dear to compute (`selective`), or all."""
    if not how:
        return
    base = model.get_base_model() if isinstance(model, PeftModel) else model
    settings: dict[str, Any] = {"use_reentrant": False}
    if how == "selective":
        settings["context_fn"] = partial(create_selective_checkpoint_contexts, _policy)
    base.gradient_checkpointing_enable(gradient_checkpointing_kwargs=settings)


def _policy(ctx: Any, op: Any, *given: Any, **_: Any) -> CheckpointPolicy:
    namespace, _, name = op.name().partition("::")
    name = name.partition(".")[0]
    kept = (
        name in _ATTENTION
        or "varlen_attn" in name
        or "flash_attn" in namespace
        or (name in _PRODUCTS and _terms(name, given) >= _DEAR)
    )
    return CheckpointPolicy.MUST_SAVE if kept else CheckpointPolicy.PREFER_RECOMPUTE


def _terms(name: str, given: tuple[Any, ...]) -> int:
    left: torch.Tensor = given[1] if name == "addmm" else given[0]
    return int(left.shape[-1])
