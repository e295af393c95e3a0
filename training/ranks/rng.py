"""The random numbers of this process: where every generator stands, and back to there."""

import random
from typing import Any

import numpy
import torch


def rng_state() -> dict[str, Any]:
    """Where Python's, NumPy's, torch's and this rank's GPU's generators stand; plain data."""
    state: Any = numpy.random.get_state()
    name, keys, *rest = state
    return {
        "python": random.getstate(),
        "numpy": (name, torch.from_numpy(keys.copy()), *rest),
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state() if torch.cuda.is_available() else None,
    }


def set_rng_state(state: dict[str, Any]) -> None:
    """Restore what `rng_state` returned."""
    name, keys, *rest = state["numpy"]
    random.setstate(state["python"])
    numpy.random.set_state((name, keys.numpy(), *rest))
    torch.set_rng_state(state["torch"])
    if state["cuda"] is not None:
        torch.cuda.set_rng_state(state["cuda"])
