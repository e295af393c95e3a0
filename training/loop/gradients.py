"""Gradients of all ranks become one: their mean, and its norm.

What every rank holds whole (adapters) travels once a step, all of it together, after the last
backward pass. What is sharded FSDP2 has reduced by then, and DDP what it holds.
"""

from collections.abc import Iterable

import torch
import torch.distributed as dist
from torch.distributed.tensor import DTensor
from torch.nn.utils import clip_grads_with_norm_, get_total_norm


class Gradients:
    """Of the weights that learn on this rank."""

    def __init__(self, learns: Iterable[torch.nn.Parameter], ranks: int, *, reduced: bool) -> None:
        """`reduced`: somebody else makes the means (DDP, or FSDP2 where all is sharded)."""
        learns = list(learns)
        self._whole = [p for p in learns if not isinstance(p, DTensor)]
        self._sliced = [p for p in learns if isinstance(p, DTensor)]
        self._ranks = ranks
        self.travel = ranks > 1 and not reduced and bool(self._whole)
        """Whether one all-reduce of this class makes the means, and takes the loss along."""

    def begin_equal(self) -> None:
        """All ranks take the first one's weights, where each holds all of them."""
        if self.travel:
            flat = torch.cat([p.detach().reshape(-1) for p in self._whole])
            dist.broadcast(flat, 0)
            for weight, part in zip(self._whole, self._parts(flat), strict=True):
                weight.data.copy_(part)

    def mean(self, loss: torch.Tensor) -> torch.Tensor:
        """Make all gradients means over the ranks, and of the loss too: one all-reduce.

        A weight that no row of this rank has reached counts as 0. Without several ranks, or where
        somebody else reduces, the loss comes back as it is.
        """
        if not self.travel:
            return loss
        gradients = [torch.zeros_like(p) if p.grad is None else p.grad for p in self._whole]
        flat = torch.cat([*(g.reshape(-1) for g in gradients), loss.reshape(1)])
        del gradients
        self.clear(self._whole)  # they are in `flat`; twice is enough
        dist.all_reduce(flat)
        flat.div_(self._ranks)
        for weight, part in zip(self._whole, self._parts(flat[:-1]), strict=True):
            weight.grad = part
        return flat[-1]

    def clip(self, most: float) -> torch.Tensor:
        """Scale all gradients down to this norm; the norm that they had, on the device."""
        parts = [[p for p in some if p.grad is not None] for some in (self._whole, self._sliced)]
        norms = [_norm(some) for some in parts if some]
        norm = norms[0] if len(norms) == 1 else torch.linalg.vector_norm(torch.stack(norms))
        for some in parts:
            if some:
                clip_grads_with_norm_(some, most, norm)
        return norm

    def clear(self, some: Iterable[torch.nn.Parameter] | None = None) -> None:
        """Forget them, of all weights or of some."""
        for weight in (*self._whole, *self._sliced) if some is None else some:
            weight.grad = None

    def _parts(self, flat: torch.Tensor) -> Iterable[torch.Tensor]:
        sizes = [p.numel() for p in self._whole]
        for weight, part in zip(self._whole, flat.split(sizes), strict=True):
            yield part.view_as(weight)


def _norm(some: list[torch.nn.Parameter]) -> torch.Tensor:
    norm = get_total_norm([p.grad for p in some if p.grad is not None])
    return norm.full_tensor() if isinstance(norm, DTensor) else norm
