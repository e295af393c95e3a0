"""Modules that are trained whole beside an adapter, and saved with it."""

from collections.abc import Sequence
from difflib import get_close_matches

import torch
from peft import PeftModel
from peft.utils import ModulesToSaveWrapper
from torch import nn
from transformers import PreTrainedModel

from training.contract.errors import ConfigurationError
from training.model.language import is_text, text_modules


def modules_of(model: PreTrainedModel, names: Sequence[str]) -> list[str]:
    """Full names of the modules that `names` mean, as ends of theirs.

    Raises ConfigurationError for a name that matches nothing, and for what cannot be trained.
    """
    text = text_modules(model)
    modules = {
        name: module
        for name, module in model.named_modules()
        if name and is_text(name, text) and any(True for _ in module.parameters())
    }
    found = list[str]()
    for wanted in names:
        meant = [name for name in modules if f".{name}".endswith(f".{wanted}")]
        if not meant:
            known = sorted({name.rpartition(".")[2] for name in modules} - {*map(str, range(999))})
            near = get_close_matches(wanted.rpartition(".")[2], known, 5, 0.4)
            raise _unfit(f"no module is called {wanted}", f"Near: {', '.join(near or known[:9])}.")
        found += [name for name in meant if name not in found]
    for name in found:
        _require_trainable(name, modules[name])
    return found


def hold_in_float32(model: PeftModel) -> None:
    """What is trained is held in float32; peft sees to that for its matrices alone."""
    for module in model.modules():
        if isinstance(module, ModulesToSaveWrapper):
            module.modules_to_save.float()


def _require_trainable(name: str, module: nn.Module) -> None:
    for weight in module.parameters():
        if weight.dtype not in (torch.float32, torch.bfloat16, torch.float16):
            raise _unfit(f"{name} is held in a few bits, and cannot be trained", "Leave it out.")


def _unfit(message: str, help_: str) -> ConfigurationError:
    return ConfigurationError("method_unfit", f"method.modules_to_save: {message}", help_)
