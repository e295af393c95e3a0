"""Which class of transformers a checkpoint is, and how its numbers are held."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoModelForImageTextToText,
    PreTrainedConfig,
    PreTrainedModel,
)
from transformers.models.auto.auto_factory import _get_model_class
from transformers.quantizers.auto import AutoHfQuantizer

from training.contract.config import Full, Lora, Qlora
from training.contract.errors import ConfigurationError, first_line

AUTO = (AutoModelForCausalLM, AutoModelForImageTextToText)
"""In this order: the first that knows a model is what people load it with, and its adapters."""

_DEQUANTIZED = ("fp8", "mxfp8", "mxfp4")
"""Formats whose weights become the numbers they stand for while they are loaded."""


@dataclass(frozen=True)
class Architecture:
    """The class of a checkpoint's model, its configuration, and what undoes its quantization."""

    auto: str
    """The class of transformers' that finds `kind`, as a model card names it."""
    kind: type[PreTrainedModel]
    config: PreTrainedConfig
    quantizer: Any = None
    """transformers' HfQuantizer, or None."""

    @property
    def stays_packed(self) -> bool:
        """Whether its weights are held in few bits, as they are in the files."""
        settings = getattr(self.quantizer, "quantization_config", None)
        return settings is not None and not getattr(settings, "dequantize", False)

    def forget_quantization(self, model: PreTrainedModel) -> None:
        """Once it is loaded, the model is one like others for transformers, trl and peft."""
        if self.quantizer is not None:
            self.quantizer.remove_quantization_config(model)


def architecture_of(folder: Path) -> Architecture:
    """The model of this folder that reads and writes text, towers included where it has them.

    Raises ConfigurationError for a model that the transformers of the training image does not
    know, one with code of its own, and one that generates nothing.
    """
    config = _config_of(folder)
    for auto in AUTO:
        if type(config) in auto._model_mapping and not config.is_encoder_decoder:
            kind = _get_model_class(config, auto._model_mapping)
            return Architecture(auto.__name__, kind, *_as(kind, config))
    raise ConfigurationError(
        "model_unknown",
        f"{folder}: {config.model_type} is no model that continues text",
        "Training needs a model of AutoModelForCausalLM or AutoModelForImageTextToText.",
    )


def require_trainable(folder: Path, method: Full | Lora | Qlora, *, sharded: bool) -> None:
    """Refuse what cannot be trained so, by name, before anything is read but config.json."""
    how = quantization_of(_config_of(folder))
    if how is None or (how in _DEQUANTIZED and not isinstance(method, Full)):
        return
    if how == "bitsandbytes_4bit":
        if isinstance(method, Qlora) and not sharded:
            return
        remedy = "Set method.kind to qlora: it trains such a base as it is."
    elif how in _DEQUANTIZED:
        remedy = "Use method.kind lora, or the model in bfloat16."
    else:
        remedy = "Use the model as it was before it was quantized, in bfloat16."
    raise ConfigurationError(
        "base_quantized", f"{folder} is quantized ({how}), which {method.kind} cannot train", remedy
    )


def quantization_of(config: PreTrainedConfig) -> str | None:
    """The name of the format, as transformers has it; None for plain numbers."""
    parts = (config, config.get_text_config())
    found = next((q for c in parts if (q := getattr(c, "quantization_config", None))), None)
    if found is None:
        return None
    settings = found if isinstance(found, dict) else found.to_dict()
    method = str(settings.get("quant_method") or "unnamed")
    for bits in ("4", "8"):
        if settings.get(f"load_in_{bits}bit") or settings.get(f"_load_in_{bits}bit"):
            return f"bitsandbytes_{bits}bit"
    return method


def _config_of(folder: Path) -> PreTrainedConfig:
    try:
        config: PreTrainedConfig = AutoConfig.from_pretrained(
            folder, local_files_only=True, trust_remote_code=False
        )
    except Exception as unreadable:  # each of its classes checks in its own way
        raise ConfigurationError(
            "model_unknown",
            f"{folder}/config.json: {_reason(folder, unreadable)}",
            "The transformers of the training image must know the model; code that comes with a "
            "model is not run.",
        ) from None
    return config


def _reason(folder: Path, failure: Exception) -> str:
    try:
        kind = json.loads((folder / "config.json").read_text(encoding="utf-8")).get("model_type")
    except (OSError, ValueError, AttributeError):
        kind = None
    return f"{first_line(failure)} (model_type {kind!r})"


def _as(kind: type[PreTrainedModel], config: PreTrainedConfig) -> tuple[PreTrainedConfig, Any]:
    """The configuration that this class takes, and the quantizer that turns weights back."""
    how = quantization_of(config)
    settings = getattr(config, "quantization_config", None)
    if kind.config_class is config.sub_configs.get("text_config"):
        config = config.get_text_config()
    if how is None:
        return config, None
    quantizer = AutoHfQuantizer.from_config(
        settings or config.get_text_config().quantization_config, pre_quantized=True
    )
    if how in _DEQUANTIZED:
        quantizer.quantization_config.dequantize = True
    config.quantization_config = quantizer.quantization_config
    return config, quantizer
