"""The most memory that this process has held so far, by kind."""

import torch

from training.contract.memory import memory_peak


def memory_peaks() -> dict[str, int]:
    """Bytes: `host`; on a GPU `allocated`, what tensors held, and `reserved`, what torch took for
    them. CUDA's own context is in none of them."""
    peaks = {"host": memory_peak()}
    if torch.cuda.is_available():
        peaks["allocated"] = torch.cuda.max_memory_allocated()
        peaks["reserved"] = torch.cuda.max_memory_reserved()
    return peaks
