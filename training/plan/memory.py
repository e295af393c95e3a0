"""Memory of a node by what it is for, and the error for too little."""

from collections.abc import Mapping
from dataclasses import dataclass

GIB = 2**30


@dataclass(frozen=True)
class Memory:
    """Bytes of one node by what they are for. `peak` is what exists at the same time."""

    held: Mapping[str, int]
    """From the first step to the last."""
    passing: Mapping[str, int]
    """At the height of a pass."""
    ending: Mapping[str, int] | None = None
    """At its end, where gradients come as `passing` goes. None: they stay from pass to pass."""

    @property
    def peak(self) -> int:
        """Bytes at the worst moment."""
        return sum(self.terms.values())

    @property
    def least(self) -> int:
        """Bytes that are needed however short the rows are."""
        return sum(self.held.values())

    @property
    def terms(self) -> Mapping[str, int]:
        """What the peak is made of, largest first."""
        every = {**self.held, **self.passing}
        if self.ending is not None:
            moments = ({**every, "gradients": 0}, {**self.held, **self.ending})
            every = max(moments, key=lambda one: sum(one.values()))
        return dict(sorted(((n, b) for n, b in every.items() if b), key=lambda term: -term[1]))


def too_large(needed: int, there: int) -> tuple[str, str]:
    """The message and the remedy when a node has less memory than weights and optimizer take."""
    message = (
        f"weights, gradients and optimizer alone take {needed / GIB:.1f} GiB on every node; "
        f"the smallest has {there / GIB:.1f}"
    )
    return message, "Take more nodes and parallel.strategy sharded, or a smaller method or model."
