"""AdamW and its learning rate, as transformers' Trainer makes them of the same settings."""

import math
import re
from typing import Any

import torch
from transformers import get_scheduler

from training.contract.config import Optim
from training.contract.errors import ConfigurationError

_NOT_DECAYED = re.compile(r"bias|layernorm|rmsnorm|(?:^|\.)norm(?:$|\.)|_norm(?:$|\.)")
"""Names of what weight decay leaves alone, as transformers has them; and LayerNorm's weights."""


def make_optimizer(model: torch.nn.Module, optim: Optim, device: torch.device) -> Any:
    """AdamW over what learns. Raises ConfigurationError for one that does not run here."""
    names = _decayed(model)
    learns = [(name, p) for name, p in model.named_parameters() if p.requires_grad]
    groups = [
        {"params": [p for n, p in learns if n in names], "weight_decay": optim.weight_decay},
        {"params": [p for n, p in learns if n not in names], "weight_decay": 0.0},
    ]
    settings = {"lr": optim.lr, "betas": optim.betas, "eps": optim.eps}
    if optim.name == "adamw":
        return torch.optim.AdamW(groups, **settings, fused=True)
    _require_8_bits(optim, device)
    from bitsandbytes.optim import AdamW8bit, GlobalOptimManager

    for module in model.modules():
        if isinstance(module, torch.nn.Embedding):  # unstable in a byte, as its authors say
            override = {"optim_bits": 32}
            GlobalOptimManager.get_instance().register_module_override(module, "weight", override)
    return AdamW8bit(groups, **settings)


def make_schedule(optimizer: Any, optim: Optim, steps: int) -> Any:
    """The learning rate over `steps` optimizer steps."""
    warmup = optim.warmup_steps or math.ceil(steps * optim.warmup_ratio)
    kind, settings = _schedule(optim)
    return get_scheduler(kind, optimizer, warmup, steps, scheduler_specific_kwargs=settings)


def _decayed(model: torch.nn.Module) -> set[str]:
    apart = {
        f"{name}.{own}"
        for name, module in model.named_modules()
        if isinstance(module, torch.nn.LayerNorm)
        for own, _ in module.named_parameters(recurse=False)
    }
    names = {name for name, _ in model.named_parameters()}
    return {name for name in names - apart if not _NOT_DECAYED.search(name.lower())}


def _schedule(optim: Optim) -> tuple[str, dict[str, float]]:
    """transformers' name of the schedule, and its settings.

    Its `constant` takes no warm-up, and only some of the others an end that is not 0.
    """
    if optim.schedule == "constant":
        return (
            "constant_with_warmup" if optim.warmup_steps or optim.warmup_ratio else "constant"
        ), {}
    if not optim.min_lr:
        return optim.schedule, {}
    if optim.schedule == "cosine":
        return "cosine_with_min_lr", {"min_lr": optim.min_lr}
    return "polynomial", {"lr_end": optim.min_lr, "power": 1.0}  # the power 1 is a line


def _require_8_bits(optim: Optim, device: torch.device) -> None:
    try:
        from bitsandbytes.optim import AdamW8bit

        weight = torch.nn.Parameter(torch.ones(4096, device=device))  # smaller ones stay in 32 bits
        weight.grad = torch.ones_like(weight)
        AdamW8bit([weight]).step()
    except Exception as failure:  # of a library that may lack its half in C
        raise ConfigurationError(
            "optimizer_unfit",
            f"optim.name {optim.name} does not run on this machine ({device}): "
            f"{type(failure).__name__}: {failure}".splitlines()[0],
            "Use optim.name adamw.",
        ) from None
