"""A model of transformers without its weights: names, shapes and formats (the meta device)."""

import torch
from transformers import PreTrainedConfig, PreTrainedModel
from transformers.core_model_loading import build_glob_alternation

from training.model.architecture import Architecture


def empty_model(found: Architecture, dtype: torch.dtype) -> PreTrainedModel:
    """The model on the meta device, in `dtype` but for what its class keeps in float32."""
    _count_experts(found.config)
    with torch.device("meta"):
        model: PreTrainedModel = found.kind._from_config(found.config, dtype=dtype)
    if found.quantizer is not None:
        found.quantizer.preprocess_model(model=model, dtype=dtype, device_map={"": "cpu"})
    if exceptions := model._get_dtype_plan(dtype):
        kept, by_group, _ = build_glob_alternation(list(exceptions))
        for name, weight in model.state_dict(keep_vars=True).items():
            if match := kept.search(name):
                weight.data = weight.data.to(exceptions[by_group[str(match.lastgroup)]])
    return model


def _count_experts(config: PreTrainedConfig) -> None:
    """trl's loss of the router reads `num_experts`, which not every family calls so; and Granite's
    configuration has such a loss where there are no experts at all."""
    text = config.get_text_config()
    if not hasattr(text, "output_router_logits") or hasattr(text, "num_experts"):
        return
    count = getattr(text, "num_local_experts", None) or getattr(text, "n_routed_experts", None)
    if count:
        text.num_experts = count
    else:
        text.router_aux_loss_coef = 0.0
