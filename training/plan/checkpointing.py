"""Keep activations or compute them again? By the estimate. Plain arithmetic, no torch."""

from typing import Literal

from training.contract.config import TrainingConfig
from training.plan.estimate import Strategy, memory
from training.plan.hardware import GB10, Hardware
from training.plan.shape import Shape
from training.plan.strategy import usable

Recompute = bool | Literal["selective"]


def settle(
    config: TrainingConfig,
    shape: Shape | None,
    strategy: Strategy,
    ranks: int,
    memory_bytes: int,
    free_bytes: int,
    hardware: Hardware = GB10,
) -> Recompute:
    """What `loop.gradient_checkpointing` means: the least of computing again that fits.

    `memory_bytes`: of the smallest node; `free_bytes`: what can be had on the node that has least,
    for others may hold some of it. For full rows, the most that a batch can be. A model that is not
    understood computes all again.
    """
    wanted = config.loop.gradient_checkpointing
    if wanted != "auto":
        return wanted
    if shape is None:
        return True
    choices: tuple[Recompute, ...] = (False, "selective")
    for how in choices:
        peak = memory(shape, recomputing(config, how), strategy, ranks, hardware).peak
        if peak <= min(usable(config, memory_bytes), free_bytes):
            return how
    return True


def recomputing(config: TrainingConfig, how: Recompute) -> TrainingConfig:
    """The same training with this choice."""
    loop = config.loop.model_copy(update={"gradient_checkpointing": how})
    return config.model_copy(update={"loop": loop})
