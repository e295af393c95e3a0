"""Which rows meet in which batch: a pure function of seed, epoch and step. No torch.

The order of the rows is the same for every number of ranks; only the cuts differ, and in packed
rooms rows that are near each other change places. Nothing here has a state: what step N sees is
known without running the steps before it, so a run resumed from a checkpoint skips exactly what it
had seen.
"""

import hashlib
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, count, islice, pairwise
from typing import Literal

from training.data.packing import merged, packed

Batching = Literal["padding-free", "packed", "padded"]
Batch = tuple[int, ...]


@dataclass(frozen=True)
class BatchShape:
    """How the stream of rows is cut into batches.

    A batch has `rows` rows; with `room` (in tokens) it has instead as many as fit in there. Where
    steps are `merged`, those of a step are put together in as few as fit, and no row changes its
    step.
    """

    ranks: int
    accumulation: int
    rows: int
    room: int | None = None
    merged: bool = False


def order(rows: int, seed: int, epoch: int) -> list[int]:
    """The rows, shuffled. Sorted by a hash: the order of no generator is promised for ever."""
    return sorted(
        range(rows), key=lambda row: hashlib.sha256(f"{seed} {epoch} {row}".encode()).digest()
    )


Passes = tuple[Batch, ...]
"""Of one rank in one optimizer step."""
Step = tuple[Passes, ...]
"""Of all ranks: each has as many passes."""


def steps(
    lengths: Sequence[int], shape: BatchShape, seed: int, epochs: float, max_steps: int | None
) -> list[Step]:
    """The optimizer steps of a whole training."""
    flat = plan(lengths, shape, seed, epochs, max_steps)
    number = shape.ranks * shape.accumulation
    each = [flat[at : at + number] for at in range(0, len(flat), number)]
    if shape.merged and shape.room is not None:
        room, ranks = shape.room, shape.ranks
        rows = map(chain.from_iterable, each)
        fewer = (merged(of_step, lengths, room, ranks, number) for of_step in rows)
        each = [better or one for better, one in zip(fewer, each, strict=True)]
    return [tuple(tuple(of_rank(one, r, shape.ranks)) for r in range(shape.ranks)) for one in each]


def plan(
    lengths: Sequence[int], shape: BatchShape, seed: int, epochs: float, max_steps: int | None
) -> list[Batch]:
    """The batches of a whole training, those of all ranks in turn; whole optimizer steps only.

    The last step is filled up with the rows that would come next, so every rank always has as many
    batches as the others, and no row is left out.
    """
    wanted, step = math.ceil(epochs * len(lengths)), shape.ranks * shape.accumulation
    batches: list[Batch] = []
    seen = 0
    for batch in _batches(lengths, shape, seed):
        if len(batches) % step == 0 and (
            seen >= wanted if max_steps is None else len(batches) == max_steps * step
        ):
            break
        batches.append(batch)
        seen += len(batch)
    return batches


def of_rank(batches: Sequence[Batch], rank: int, ranks: int) -> list[Batch]:
    """The batches of one rank, in the order of its steps."""
    return list(batches[rank::ranks])


def held_out(rows: int, shape: BatchShape) -> list[Batch]:
    """Every row once, in as many batches on every rank, none of them empty.

    Needs a row for every rank. A batch has `cut.rows` rows at most; two where that is one and the
    ranks could not split the rows evenly.
    """
    each = min(math.ceil(rows / (shape.rows * shape.ranks)), rows // shape.ranks)
    edges = [part * rows // (each * shape.ranks) for part in range(each * shape.ranks + 1)]
    return [tuple(range(*edge)) for edge in pairwise(edges)]


def _batches(lengths: Sequence[int], shape: BatchShape, seed: int) -> Iterator[Batch]:
    """The endless stream of rows in batches, epoch after epoch: without a seam between them, but
    each epoch in rooms of its own."""
    orders = (order(len(lengths), seed, epoch) for epoch in count())
    if shape.room is not None and not shape.merged:
        for rows in orders:
            yield from packed(rows, lengths, shape.room)
    stream = chain.from_iterable(orders)
    while batch := tuple(islice(stream, shape.rows)):
        yield batch
