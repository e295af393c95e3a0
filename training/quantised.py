"""A base whose linear layers are held in 4 bits (QLoRA), made while it is read.

transformers' own way keeps all files mapped while it quantises, which on GB10 costs what the
16-bit model does (transformers#47257). Here a weight is read, quantised and let go before the next:
a rank holds the 4-bit model and one weight. Only public parts of bitsandbytes are used.
"""

from pathlib import Path

import torch
from accelerate import init_empty_weights
from bitsandbytes.nn import Linear4bit, Params4bit
from safetensors import safe_open
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedModel

from training.errors import TrainingError
from training.weight_files import files_of, give_back_page_cache


def load_4bit(
    folder: Path, dtype: torch.dtype, device: torch.device, double: bool
) -> tuple[PreTrainedModel, int, int]:
    """The model, how many weights it has, and the bytes of files that were read.

    NF4 in blocks of 64 weights; `double` quantises the blocks' scales too. The output layer and all
    that is not linear stay in `dtype`, which is also what 4-bit layers compute in.
    """
    model, parameters = _empty(folder, dtype)
    bytes_read = 0
    for file in files_of(folder):
        with safe_open(file, framework="pt") as weights:
            for name in weights.keys():  # noqa: SIM118 - not a mapping
                value = weights.get_tensor(name).clone()  # off the mapping, as in training.load
                _place(model, name, value.to(dtype), device, double)
                bytes_read += value.nbytes
        give_back_page_cache(file)
    model.tie_weights()
    if missing := [name for name, weight in model.named_parameters() if weight.is_meta]:
        raise TrainingError("checkpoint_invalid", f"{folder} has no {missing[0]}")
    return model.to(device), parameters, bytes_read


def _empty(folder: Path, dtype: torch.dtype) -> tuple[PreTrainedModel, int]:
    """The model without its weights, 4-bit layers in place; and how many weights it has."""
    config = AutoConfig.from_pretrained(folder, local_files_only=True)
    with init_empty_weights(include_buffers=False):
        model: PreTrainedModel = AutoModelForCausalLM.from_config(config, dtype=dtype)
    model.tie_weights()
    parameters = sum(p.numel() for p in model.parameters())
    head = model.get_output_embeddings()
    for name, layer in list(model.named_modules()):
        if isinstance(layer, torch.nn.Linear) and layer is not head:
            shape = layer.in_features, layer.out_features, layer.bias is not None
            small = Linear4bit(*shape, compute_dtype=dtype, device="meta")
            # On some CPUs an evaluation would reorder its weights for a faster kernel, for good;
            # that kernel has no gradient, and adapters before such a layer would learn nothing.
            small.support_avx512bf16_for_cpu = False
            model.set_submodule(name, small)
    return model, parameters


def _place(
    model: PreTrainedModel, name: str, value: torch.Tensor, device: torch.device, double: bool
) -> None:
    layer_name, _, own = name.rpartition(".")
    layer = model.get_submodule(layer_name)
    if isinstance(layer, Linear4bit) and own == "weight":
        small = Params4bit(
            value, requires_grad=False, quant_type="nf4", compress_statistics=double, module=layer
        )
        layer.weight = small.to(device)  # this is what quantises
    else:
        setattr(layer, own, torch.nn.Parameter(value.to(device), requires_grad=False))
