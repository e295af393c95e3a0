"""Shard the base over the ranks, or give everyone a whole copy? Plain arithmetic, no torch."""

from pathlib import Path

from training.contract.config import TrainingConfig
from training.plan.estimate import Strategy, memory
from training.plan.hardware import GB10, Hardware
from training.plan.shape import Shape

SPARE = 0.1
"""Share of a node's memory that stays with the system: one that runs out of it freezes."""
REPLICA_SHARE = 0.5
"""Of a model whose shape nobody knows a whole copy may take this share of a node's memory."""


def choose(
    config: TrainingConfig,
    world_size: int,
    shape: Shape | None,
    checkpoint_bytes: int,
    memory_bytes: int,
    hardware: Hardware = GB10,
) -> Strategy:
    """Choose `parallel.strategy`.

    A single rank has nothing to shard over, and some models and methods cannot be sharded.
    Otherwise an explicit setting is used, and `auto` replicates what fits on the smallest node, by
    the estimate (no weights on the wire: the faster way), and shards what does not.
    """
    if world_size == 1 or config.never_sharded:
        return "ddp"
    if config.parallel.strategy != "auto":
        return config.parallel.strategy
    if shape is None:
        return "ddp" if checkpoint_bytes <= REPLICA_SHARE * memory_bytes else "sharded"
    peak = memory(shape, config, "ddp", world_size, hardware).peak
    return "ddp" if peak <= (1 - SPARE) * memory_bytes else "sharded"


def checkpoint_bytes(folder: Path) -> int:
    """Size of all weight files of a checkpoint."""
    return sum(file.stat().st_size for file in folder.glob("*.safetensors"))
