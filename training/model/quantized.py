"""Linear layers in 4 bits (QLoRA): NF4 in blocks of 64 weights, through bitsandbytes."""

import torch
from bitsandbytes.nn import Linear4bit, Params4bit
from transformers import PreTrainedModel


def use_4bit_layers(model: PreTrainedModel, dtype: torch.dtype) -> None:
    """Put empty 4-bit layers, which compute in `dtype`, in the place of all linear ones.

    But for the output layer: its rounding would go straight into the probabilities.
    """
    head = model.get_output_embeddings()
    for name, layer in list(model.named_modules()):
        if isinstance(layer, torch.nn.Linear) and layer is not head:
            shape = layer.in_features, layer.out_features, layer.bias is not None
            model.set_submodule(name, Linear4bit(*shape, compute_dtype=dtype, device="meta"))


def weights_of_4bit_layers(model: PreTrainedModel) -> list[str]:
    """Names of the weights that are held in 4 bits; their layers are made fit for training."""
    names = []
    for name, layer in model.named_modules():
        if isinstance(layer, Linear4bit):
            # On some CPUs an evaluation would reorder its weights for a faster kernel, for good;
            # that kernel has no gradient, and adapters before such a layer would learn nothing.
            layer.support_avx512bf16_for_cpu = False
            names.append(f"{name}.weight")
    return names


def hold(
    layer: torch.nn.Module, value: torch.Tensor, device: torch.device, *, double: bool
) -> torch.nn.Parameter:
    """The value as this layer holds it: in 4 bits if it is the weight of a 4-bit layer.

    With `double` the blocks' scales are quantized too: 4.13 bits a weight, else 4.5.
    """
    if not isinstance(layer, Linear4bit) or value.dim() != 2:
        return torch.nn.Parameter(value.to(device), requires_grad=False)
    whole = Params4bit(
        value, requires_grad=False, quant_type="nf4", compress_statistics=double, module=layer
    )
    small: torch.nn.Parameter = whole.to(device)  # the move is what quantizes
    return small
