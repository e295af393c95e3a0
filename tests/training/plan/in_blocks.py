"""Products of bfloat16 on a processor that has no instructions for them.

torch 2.13 multiplies by a weight that is not transposed, as every backward pass does, at 0.09
GFLOP/s there: an hour for one step of a gigabyte. In float32, block by block, it is 300 times as
fast, and holds a few megabytes more than the product itself.
"""

from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode

_BLOCK = 2**20
"""Numbers of a block of weights."""


class InBlocks(TorchDispatchMode):
    """Within it, `mm` and `addmm` of bfloat16 are computed so; all else is as it was."""

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        if func is torch.ops.aten.mm.default and args[0].dtype is torch.bfloat16:
            return product(*args)
        if func is torch.ops.aten.addmm.default and args[1].dtype is torch.bfloat16 and not kwargs:
            return product(*args[1:]).add_(args[0])
        return func(*args, **(kwargs or {}))


def product(left: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
    """`left @ right`: (M, K) by (K, N), rounded once."""
    whole = left.new_empty(left.shape[0], right.shape[1])
    wide, columns = left.float(), max(_BLOCK // right.shape[0], 1)
    for part, weights in zip(whole.split(columns, 1), right.split(columns, 1), strict=True):
        part.copy_(wide @ weights.float())
    return whole
