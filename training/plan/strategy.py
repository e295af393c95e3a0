"""Shard the base over the ranks, or give everyone a whole copy? Plain arithmetic, no torch."""

from pathlib import Path

from training.contract.config import Full, TrainingConfig
from training.plan.estimate import AVERAGES, BYTES, LEARNING, Strategy, memory
from training.plan.hardware import GB10, Hardware
from training.plan.shape import Shape

REPLICA_SHARE = 0.5
"""Of a model that is not understood, what a whole copy needs may take this share of a node's
memory: nobody knows what comes on top."""


def choose(
    config: TrainingConfig,
    world_size: int,
    shape: Shape | None,
    checkpoint_bytes: int,
    memory_bytes: int,
    hardware: Hardware = GB10,
) -> Strategy:
    """Choose `parallel.strategy`.

    A single rank has nothing to shard over, and some methods cannot be sharded. Otherwise an
    explicit setting is used, and `auto` replicates what fits on the smallest node, by the estimate
    (no weights on the wire: the faster way), and shards what does not. `memory_bytes`: of the
    smallest node, the smaller of what its GPU and its host have.
    """
    if world_size == 1 or config.never_sharded:
        return "ddp"
    if config.parallel.strategy != "auto":
        return config.parallel.strategy
    if shape is None:
        fits = replica_bytes(config, checkpoint_bytes) <= REPLICA_SHARE * memory_bytes
    else:
        peak = memory(shape, config, "ddp", world_size, hardware).peak
        fits = peak <= usable(config, memory_bytes)
    return "ddp" if fits else "sharded"


def usable(config: TrainingConfig, memory_bytes: int) -> int:
    """What a run may take of a node with so many bytes; the rest stays with the system, for a
    machine that runs out of memory freezes.

    On a GPU torch is held to the same share (`training/ranks/group.py`).
    """
    return int(config.parallel.gpu_memory_share * memory_bytes)


def replica_bytes(config: TrainingConfig, checkpoint_bytes: int) -> int:
    """What a whole copy of a model that is not understood needs, activations apart.

    Its files are taken to have two bytes a weight. In full fine-tuning what learns is many times
    as large as they are.
    """
    each = float(BYTES[config.model.dtype])
    if isinstance(config.method, Full):
        each += LEARNING + AVERAGES[config.optim.name]
    return int(checkpoint_bytes / 2 * each)


def checkpoint_bytes(folder: Path) -> int:
    """Size of all weight files of a checkpoint."""
    return sum(file.stat().st_size for file in folder.glob("*.safetensors"))
