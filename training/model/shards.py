"""Slices of weights that are sharded over the ranks (FSDP2), as plain tensors and back."""

from typing import Any

import torch
from torch.distributed.fsdp import FSDPModule
from torch.distributed.tensor import DTensor


def local(value: Any) -> Any:
    """This rank's slice of a tensor, or of every tensor in mappings and lists; no copy."""
    if isinstance(value, DTensor):
        return value.to_local()
    if isinstance(value, dict):
        return {key: local(below) for key, below in value.items()}
    if isinstance(value, list):
        return [local(below) for below in value]
    return value


def shared(slice_: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
    """The tensor of which `slice_` is this rank's part, sharded as `like` is.

    A scalar, such as AdamW's count of steps, and the state of a weight that every rank holds whole
    stay what they are.
    """
    if not isinstance(like, DTensor) or slice_.dim() == 0:
        return slice_
    return DTensor.from_local(
        slice_.to(like.device),
        like.device_mesh,
        like.placements,
        run_check=False,
        shape=like.shape,
        stride=like.stride(),
    )


def whole(tensor: torch.Tensor) -> torch.Tensor:
    """All of a tensor, on every rank; they must all call this for the same tensor."""
    return tensor.full_tensor() if isinstance(tensor, DTensor) else tensor


def reshard(model: torch.nn.Module) -> None:
    """Free weights that a forward pass has gathered and kept for a backward pass that never came.

    FSDP2 keeps the last ones; after an evaluation the model would show them whole, and in the
    format of the passes. Nothing happens on a model that is not sharded.
    """
    for module in model.modules():
        if isinstance(module, FSDPModule):
            module.reshard()
