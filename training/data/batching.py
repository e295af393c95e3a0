"""How rows become batches where the recipe leaves it open. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from training.contract.config import TrainingConfig
from training.data.batches import Batching, BatchShape
from training.data.batches import steps as steps_of

FEW_TOKENS = 2048
"""A pass with fewer real tokens does not keep a GPU busy: it starts kernels and reads weights
(docs/benchmarks.md). On a GB10 reading a weight takes as long as 450 tokens' work with it, by its
bandwidth (200 GB/s) and speed (45 TFLOP/s). The number is ours."""
SMALL = 100_000_000
"""Weights of a model whose passes are never dear."""


@dataclass(frozen=True)
class Circumstances:
    """What the choice depends on besides the recipe; all of it the same on every rank."""

    apart: bool
    """The model's attention keeps the sequences of a row apart."""
    parameters: int
    sharded: bool
    """Over several ranks: every pass moves the weights over the network."""
    ranks: int
    lengths: Sequence[int]
    """Tokens of each row."""
    before: Batching | None = None
    """What an earlier attempt chose; that stays, for its steps are counted in it."""


def choose(config: TrainingConfig, here: Circumstances) -> Batching:
    """`padding-free`, `packed` or `padded`, from what the recipe says and allows."""
    wanted = config.loop.batching
    if wanted != "auto":
        return wanted
    if not here.apart:
        return "padded"
    if here.before is not None:
        return here.before
    dear = here.sharded or _tokens_of_a_pass(config, here.lengths) < FEW_TOKENS
    return "packed" if dear and here.parameters >= SMALL else "padding-free"


def shape(config: TrainingConfig, ranks: int, batching: Batching) -> BatchShape:
    """The cut of the stream for it.

    With gradient accumulation `auto` leaves every row in its step, and packs the passes of a step;
    asked for, `packed` fills every pass, and a step has more rows.
    """
    loop = config.loop
    room = loop.tokens_per_pass or loop.per_device_batch_size * config.data.max_length
    return BatchShape(
        ranks=ranks,
        accumulation=loop.gradient_accumulation_steps,
        rows=loop.per_device_batch_size,
        room=room if batching == "packed" else None,
        merged=loop.batching == "auto" and loop.gradient_accumulation_steps > 1,
    )


def told(config: TrainingConfig, here: Circumstances, steps: int) -> str | None:
    """What packing that nobody asked for changes, in a sentence."""
    loop = config.loop
    if loop.max_steps is not None or loop.gradient_accumulation_steps > 1:
        return None
    free = shape(config, here.ranks, "padding-free")
    without = len(steps_of(here.lengths, free, loop.seed, loop.epochs, None))
    return (
        f"passes are packed: {steps:,} optimizer steps of more rows instead of {without:,} "
        "(loop.batching: padding-free keeps those)"
    )


def _tokens_of_a_pass(config: TrainingConfig, lengths: Sequence[int]) -> float:
    return config.loop.per_device_batch_size * sum(lengths) / max(len(lengths), 1)
