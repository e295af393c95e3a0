"""A whole copy of the base on every rank, filled weight by weight.

transformers' own way keeps all files mapped while it copies or quantizes, which on GB10 takes the
memory of the model twice (transformers#47257). Here a weight is read, put in its place (in 4 bits
for QLoRA), and its file forgotten: a rank holds the model and one weight. Public parts only.
"""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch
from accelerate import init_empty_weights
from safetensors import safe_open
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedModel

from training.contract.config import Full, Lora, Qlora
from training.contract.errors import ConfigurationError, TrainingError
from training.model.weight_files import files_of, give_back_page_cache

Hold = Callable[[torch.nn.Module, torch.Tensor], torch.nn.Parameter]
"""Makes of a value what a layer holds of it."""


def replicate(
    folder: Path, dtype: torch.dtype, device: torch.device, method: Full | Lora | Qlora
) -> tuple[PreTrainedModel, int, int]:
    """The model, how many weights it has, and the bytes of files that were read.

    Raises for files whose weights are not those of the model, by name.
    """
    config = AutoConfig.from_pretrained(folder, local_files_only=True)
    with init_empty_weights(include_buffers=False):
        model: PreTrainedModel = AutoModelForCausalLM.from_config(config, dtype=dtype)
    model.tie_weights()
    parameters = sum(p.numel() for p in model.parameters())
    hold: Hold = partial(_hold, device=device)
    if isinstance(method, Qlora):
        from training.model import quantized  # only QLoRA needs bitsandbytes

        quantized.use_4bit_layers(model, dtype)
        hold = partial(quantized.hold, device=device, double=method.double_quantization)
    bytes_read = 0
    for file in files_of(folder):
        with safe_open(file, framework="pt") as weights:
            for name in weights.keys():  # noqa: SIM118 - not a mapping
                value = weights.get_tensor(
                    name
                ).clone()  # off the mapping, as in training.model.load
                _place(model, name, value.to(dtype), hold)
                bytes_read += value.nbytes
        give_back_page_cache(file)
    model.tie_weights()
    if missing := [name for name, weight in model.named_parameters() if weight.is_meta]:
        raise TrainingError("checkpoint_invalid", f"{folder} has no {missing[0]}")
    return model.to(device), parameters, bytes_read


def _place(model: PreTrainedModel, name: str, value: torch.Tensor, hold: Hold) -> None:
    layer_name, _, own = name.rpartition(".")
    try:
        layer = model.get_submodule(layer_name)
        there = getattr(layer, own)
    except AttributeError:
        raise ConfigurationError(
            "checkpoint_unfit",
            f"the files hold {name}, which {type(model).__name__} has not",
            "This kind of model must be saved again by the transformers of the training image.",
        ) from None
    if there.shape != value.shape:
        raise TrainingError(
            "checkpoint_invalid",
            f"{name}: the file has {tuple(value.shape)}, the model wants {tuple(there.shape)}",
        )
    held = hold(layer, value)
    setattr(layer, own, held if isinstance(there, torch.nn.Parameter) else held.data)


def _hold(_: torch.nn.Module, value: torch.Tensor, device: torch.device) -> torch.nn.Parameter:
    return torch.nn.Parameter(value.to(device), requires_grad=False)
