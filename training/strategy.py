"""Shard the base over the ranks, or give everyone a whole copy? Plain arithmetic, no torch."""

from pathlib import Path
from typing import Literal

Strategy = Literal["sharded", "ddp"]

REPLICA_SHARE = 0.5
"""A whole copy may take this share of a node's memory; the rest is for adapters with optimizer
state, activations, the output layer's logits and the system."""


def choose(
    wanted: Literal["auto", "sharded", "ddp"],
    world_size: int,
    checkpoint_bytes: int,
    memory_bytes: int,
) -> Strategy:
    """Settle `parallel.strategy`.

    A single rank has nothing to shard over. Otherwise a wish is granted, and `auto` replicates a
    base whose checkpoint fits into half of the smallest node's memory (no weights on the wire: the
    faster way), and shards a larger one.
    """
    if world_size == 1:
        return "ddp"
    if wanted != "auto":
        return wanted
    return "ddp" if checkpoint_bytes <= REPLICA_SHARE * memory_bytes else "sharded"


def memory_total(meminfo: Path = Path("/proc/meminfo")) -> int:
    """MemTotal in bytes. On unified memory (GB10) this is the GPU's memory as well."""
    for line in meminfo.read_text().splitlines():
        if line.startswith("MemTotal:"):
            return int(line.split()[1]) * 1024
    raise ValueError(f"{meminfo} has no MemTotal line")


def checkpoint_bytes(folder: Path) -> int:
    """Size of all weight files of a checkpoint."""
    return sum(file.stat().st_size for file in folder.glob("*.safetensors"))
