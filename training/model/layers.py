"""What of a model an adapter could be put on, and what never gets one."""

from functools import cache

from peft import LoraConfig
from peft.utils.transformers_weight_conversion import (
    convert_peft_config_for_transformers,
    get_model_conversion_mapping,
)
from torch import nn
from torch.nn.modules.conv import _ConvNd
from transformers import PreTrainedModel
from transformers.pytorch_utils import Conv1D

from training.model.language import is_text, text_modules
from training.model.targets import Layer


def layers_of(model: PreTrainedModel) -> tuple[Layer, ...]:
    """Every linear layer and every stack of experts, in the model's order."""
    text, counts = text_modules(model), _expert_counts(model)
    head, renamed = model.get_output_embeddings(), cache(lambda last: _renamed(model, last))
    found = list[Layer]()
    for name, module in model.named_modules():
        if isinstance(module, nn.Linear | Conv1D):
            barred = "output layer" if module is head else _barred(model, name, text)
            weight = f"{name}.weight" if not barred and renamed(name.rpartition(".")[2]) else None
            if weight and not module.weight.is_floating_point():
                barred = "held in a few bits and named as peft names experts"
            found.append(Layer(name, weight, barred))
            continue
        for own, weight in module.named_parameters(prefix=name, recurse=False):
            if weight.dim() == 3 and weight.shape[0] in counts and not isinstance(module, _ConvNd):
                found.append(Layer(own, own, _barred(model, own, text)))
    return tuple(found)


def _barred(model: PreTrainedModel, name: str, text: tuple[str, ...]) -> str | None:
    if not is_text(name, text):
        return "outside of the language model"
    parent_name, _, last = name.rpartition(".")
    parent = model.get_submodule(parent_name)
    if _is_router(parent_name, parent, last):
        return "router"
    # A Mamba mixer's fused kernels read these weights, and never call the layers. Its in_proj is
    # called. (Gated delta nets have an A_log and no D, and call all of theirs.)
    if hasattr(parent, "A_log") and hasattr(parent, "D") and last != "in_proj":
        return "read by Mamba's kernels past any adapter"
    return None


def _is_router(parent_name: str, parent: nn.Module, last: str) -> bool:
    """It is called a gate or router, and stands beside experts or in a router."""
    names = {last, parent_name.rpartition(".")[2]}
    called = any(name in ("gate", "router") or name.endswith("_expert_gate") for name in names)
    inside = "router" in type(parent).__name__.lower()
    return inside or (called and any("expert" in child for child, _ in parent.named_children()))


def _renamed(model: PreTrainedModel, last: str) -> bool:
    """Whether peft takes a layer of this name for a part of the experts, as it was before they were
    stacked (gate_proj of a shared expert beside experts.gate_up_proj): then neither here nor in a
    plain reload it gets an adapter by its name.
    """
    trial = LoraConfig(target_modules=[last])
    try:
        convert_peft_config_for_transformers(trial, model, get_model_conversion_mapping(model))
    except ValueError:  # half of what it would join
        return True
    return set(trial.target_modules or ()) != {last}


def _expert_counts(model: PreTrainedModel) -> set[int]:
    """How many experts a layer may have, by the model's settings."""
    settings = model.config.get_text_config().to_dict()
    return {
        value
        for key, value in settings.items()
        if "experts" in key and isinstance(value, int) and not isinstance(value, bool) and value > 0
    }
