"""A whole copy of the base on every rank, filled weight by weight.

transformers' own way keeps all files mapped while it copies or quantizes, which on GB10 takes the
memory of the model twice (transformers#47257). Here a weight is read, put in its place (in 4 bits
for QLoRA), and its file forgotten: a rank holds the model and one weight.
"""

from collections.abc import Mapping
from functools import partial
from pathlib import Path

import torch
from transformers import PreTrainedModel

from training.contract.config import Full, Lora, Qlora
from training.model.architecture import Architecture, architecture_of
from training.model.conversion import plan
from training.model.ends import empty_as_in_files
from training.model.fill import Hold, fill
from training.model.weight_reader import WeightReader


def replicate(
    folder: Path, dtype: torch.dtype, device: torch.device, method: Full | Lora | Qlora
) -> tuple[PreTrainedModel, int, int]:
    """The model, how many weights it has, and the bytes of files that were read.

    Raises for files whose weights are not those of the model, by name.
    """
    found = architecture_of(folder)
    held_otherwise: Mapping[str, Hold] = {}
    with WeightReader(folder) as reader:
        model = empty_as_in_files(found, dtype, reader)
        parameters = sum(p.numel() for p in model.parameters())
        if isinstance(method, Qlora):
            held_otherwise = _in_4_bits(model, found, dtype, device, method)
        wanted = plan(model, reader.tensors.values(), found.quantizer)
        fill(model, wanted, reader, device, held_otherwise)
    found.forget_quantization(model)
    return model.to(device), parameters, reader.bytes_read


def _in_4_bits(
    model: PreTrainedModel,
    found: Architecture,
    dtype: torch.dtype,
    device: torch.device,
    method: Qlora,
) -> Mapping[str, Hold]:
    from training.model import quantized  # only QLoRA needs bitsandbytes

    if not found.stays_packed:
        quantized.use_4bit_layers(model, dtype)
    hold = partial(quantized.hold, device=device, double=method.double_quantization)
    return dict.fromkeys(quantized.weights_of_4bit_layers(model), hold)
