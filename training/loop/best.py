"""Held-out losses compared: which step is the best so far, and when to wait no longer. Pure.

Everything follows from the losses alone, which are the same on every rank and continue after a
restart: so does every decision.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Standing:
    """After some evaluations."""

    best: int | None = None
    """The step with the lowest held-out loss so far, the first of equals."""
    waited: int = 0
    """Evaluations in a row, up to the last, that were not lower by more than `min_delta`."""


def standing(held_out: Mapping[int, float], min_delta: float) -> Standing:
    """Of held-out losses by step. Step 0, before anything was learned, does not count.

    As transformers' EarlyStoppingCallback has it: each loss is compared with the lowest before it.
    A loss that is no number is never the best.
    """
    best, waited = None, 0
    for step in sorted(step for step in held_out if step > 0):
        loss = held_out[step]
        lower = math.isfinite(loss) and (best is None or loss < held_out[best])
        enough = lower and (best is None or held_out[best] - loss > min_delta)
        waited = 0 if enough else waited + 1
        best = step if lower else best
    return Standing(best, waited)
