"""An adapter that training starts from (`method.init_from`): found, checked, and put in place."""

import json
import re
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from training.contract.config import Lora, Qlora
from training.contract.errors import ConfigurationError
from training.contract.names import source_of
from training.data.fetch import snapshot
from training.model.adapter import SETTINGS, WEIGHTS, Adapted, held
from training.rows.missing import where_it_belongs

_SAME = {"r": "r", "lora_alpha": "alpha", "use_rslora": "rslora", "use_dora": "dora"}
"""Settings of peft -> keys of `method`, which must say the same."""
_FEW = 3


def folder_of(name: str, data_dir: Path, *, known: bool = False) -> Path:
    """Folder of the adapter on this node, downloaded when it is on the Hub and not here yet.

    `known`: as of `training.data.fetch.snapshot`.
    Raises ConfigurationError when there is none, TrainingError for a network that fails.
    """
    if source_of(name) == "path":
        folder, help_ = Path(name), where_it_belongs(Path(name), data_dir)
    else:
        folder = snapshot(name, "main", [SETTINGS, WEIGHTS], known=known)
        help_ = "Name an adapter that peft saved as safetensors."
    for file in (SETTINGS, WEIGHTS):
        if not (folder / file).is_file():
            raise ConfigurationError("adapter_not_found", f"{name} holds no {file}", help_)
    return folder


def put(adapted: Adapted, folder: Path, name: str, method: Lora | Qlora) -> str:
    """Give the adapter the weights in `folder`; the base that they were trained on, by its name.

    Raises ConfigurationError where they are for other settings, layers or sizes.
    """
    try:
        settings = json.loads((folder / SETTINGS).read_text(encoding="utf-8"))
        theirs = load_file(folder / WEIGHTS)
    except (ValueError, OSError, SafetensorError) as broken:
        raise ConfigurationError(
            "adapter_unfit", f"{name} cannot be read: {broken}", "Fetch it again."
        ) from None
    _same_settings(settings, name, method)
    ours = held(adapted.model)
    _same_layers(ours, theirs, name)
    with torch.no_grad():
        for key, weight in ours.items():
            weight.copy_(theirs[key])
    return _printable(settings.get("base_model_name_or_path"))


def _same_settings(settings: Any, name: str, method: Lora | Qlora) -> None:
    if not isinstance(settings, dict) or settings.get("peft_type") != "LORA":
        raise ConfigurationError(
            "adapter_unfit", f"{name} is no LoRA adapter of peft", "Name one that is."
        )
    other = [
        f"method.{ours} is {getattr(method, ours)}, there it is {_printable(settings.get(theirs))}"
        for theirs, ours in _SAME.items()
        if settings.get(theirs, False) != getattr(method, ours)
    ]
    for odd in ("rank_pattern", "alpha_pattern", "layer_replication"):
        if settings.get(odd):
            other.append(f"it has a {odd}, which method cannot say")
    if settings.get("bias", "none") != "none":
        other.append("it trains biases, which method cannot say")
    if other:
        raise ConfigurationError(
            "adapter_unfit",
            f"{name} was made with other settings: {'; '.join(other)}",
            "Set these keys as the adapter has them.",
        )


def _same_layers(ours: dict[str, torch.Tensor], theirs: dict[str, torch.Tensor], name: str) -> None:
    if odd := sorted({*theirs} - {*ours}):
        raise _other_layers(name, f"it also has {_layers(odd)}")
    if odd := sorted({*ours} - {*theirs}):
        raise _other_layers(name, f"it lacks {_layers(odd)}")
    for key, weight in ours.items():
        if weight.shape != theirs[key].shape:
            there, here = tuple(theirs[key].shape), tuple(weight.shape)
            raise _other_layers(name, f"{_layers([key])} is {there} there, and {here} here")


def _other_layers(name: str, what: str) -> ConfigurationError:
    return ConfigurationError(
        "adapter_unfit",
        f"{name} does not fit this base and method: {what}",
        "Name the base that it was trained on, and in method.targets, exclude and modules_to_save "
        "what it adapts: its adapter_config.json says it.",
    )


def _layers(keys: list[str]) -> str:
    short = [_printable(key).removeprefix("base_model.model.") for key in keys[:_FEW]]
    more = f" and {len(keys) - _FEW} more" if len(keys) > _FEW else ""
    return ", ".join(short) + more


def _printable(value: object) -> str:
    """Somebody else's words, fit for a line."""
    return re.sub(r"[^\x20-\x7e]", "?", str(value))[:200]
