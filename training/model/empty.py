"""A model of transformers without its weights: names, shapes and formats (the meta device)."""

import torch
from transformers import PreTrainedModel
from transformers.core_model_loading import build_glob_alternation

from training.model.architecture import Architecture


def empty_model(found: Architecture, dtype: torch.dtype) -> PreTrainedModel:
    """The model on the meta device, in `dtype` but for what its class keeps in float32."""
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
