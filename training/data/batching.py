"""How rows become batches where the recipe leaves it open. Pure."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

from training.contract.config import TrainingConfig
from training.data.batches import Batching, BatchShape, Step
from training.data.packing import packed

FEW_TOKENS = 2048
"""A pass with fewer real tokens does not keep a GPU busy: it starts kernels and reads weights. So
`auto` fills passes up to it, and no further: a step of more rows is another step, and on a GB10 the
forecast gains nothing from more (70B sharded: 71 tokens/s with 440 tokens a pass, 211 with 2,048 as
with 16,384). The number is ours; steps of checkpoints are counted in it."""
SMALL = 100_000_000
"""Weights of a model whose passes are never dear."""
WORTH = 0.8
"""Share of the passes that may be left, at most, or packing changes steps for too little."""
_SOME = 10_000
"""Rows that show how many fit into a room."""


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
    tokens = config.loop.per_device_batch_size * fmean(here.lengths)
    dear = here.parameters >= SMALL and (here.sharded or tokens < FEW_TOKENS)
    return "packed" if dear and _left(config, here.lengths) <= WORTH else "padding-free"


def shape(config: TrainingConfig, ranks: int, batching: Batching) -> BatchShape:
    """The cut of the stream for it.

    With gradient accumulation `auto` leaves every row in its step, and packs the passes of a step;
    asked for, `packed` fills every pass, and a step has more rows.
    """
    loop = config.loop
    return BatchShape(
        ranks=ranks,
        accumulation=loop.gradient_accumulation_steps,
        rows=loop.per_device_batch_size,
        room=_room(config) if batching == "packed" else None,
        merged=_merges(config),
    )


def told(config: TrainingConfig, here: Circumstances, steps: Sequence[Step]) -> str:
    """What packing that nobody asked for has made of the steps, in a sentence."""
    loop = config.loop
    if _merges(config):
        passes = fmean(len(one[0]) for one in steps)
        before = loop.gradient_accumulation_steps
        return f"passes are packed: {passes:.1f} a step instead of {before}, of the same rows"
    rows = fmean(sum(len(batch) for own in one for batch in own) for one in steps)
    usual = here.ranks * loop.per_device_batch_size
    without = loop.max_steps or math.ceil(math.ceil(loop.epochs * len(here.lengths)) / usual)
    return (
        f"passes are packed: {len(steps):,} optimizer steps of some {rows:.0f} rows instead of "
        f"{without:,} of {usual} (loop.batching: padding-free keeps those)"
    )


def _merges(config: TrainingConfig) -> bool:
    return config.loop.batching == "auto" and config.loop.gradient_accumulation_steps > 1


def _room(config: TrainingConfig) -> int:
    """Tokens of a packed pass. A row that is longer has a pass of its own."""
    loop = config.loop
    most = loop.per_device_batch_size * config.data.max_length
    if loop.tokens_per_pass is not None:
        return loop.tokens_per_pass
    changes_steps = loop.batching == "auto" and not _merges(config)
    return min(most, FEW_TOKENS) if changes_steps else most


def _left(config: TrainingConfig, lengths: Sequence[int]) -> float:
    """Passes that packing leaves of those of `per_device_batch_size` rows, about."""
    some = lengths[:: max(1, len(lengths) // _SOME)]
    rooms = sum(1 for _ in packed(range(len(some)), some, _room(config)))
    return rooms * config.loop.per_device_batch_size / len(some)
