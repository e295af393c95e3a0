"""Memory: what the run will take is there."""

from collections.abc import Iterator

from orchestrator.doctor.check import OfRank, Problem
from orchestrator.doctor.readiness import NodeReadiness, Wanted
from orchestrator.stack.ranks import Rank
from training.plan.memory import GIB

_WHY = "A rank that runs out of memory ends the run, or hangs the machine."


@OfRank.about(
    "memory",
    before=("train",),
    order=190,
    why=f"{_WHY} Asked of the largest batch that there can be: full rows of data.max_length. The "
    "system keeps a tenth (parallel.gpu_memory_share).",
    fix="Lower loop.per_device_batch_size or data.max_length, switch on "
    "loop.gradient_checkpointing, or take more nodes with parallel.strategy sharded.",
)
def full_rows_fit_on_a_node(
    wanted: Wanted, rank: Rank, reading: NodeReadiness
) -> Iterator[Problem]:
    """The same for all nodes: told of rank 0."""
    if rank.rank or wanted.memory is None or wanted.usable is None:
        return
    if wanted.memory.peak > wanted.usable:
        text = f"full rows take {wanted.memory.peak / GIB:.1f} GiB on every node"
        yield Problem(f"{text}, the smallest may use {wanted.usable / GIB:.1f}")


@OfRank.about(
    "memory",
    before=("train",),
    order=200,
    why=f"{_WHY} What gang.memory_floor keeps free is not there for it. Where weights and "
    "optimizer fit, and only full batches may not, it is a warning.",
    fix="End what holds memory there, or lower loop.per_device_batch_size.",
)
def memory_is_enough(wanted: Wanted, rank: Rank, reading: NodeReadiness) -> Iterator[Problem]:
    """For a model whose shape is known."""
    needed, there = wanted.memory, reading.memory
    if needed is None or there is None:
        return
    kept = wanted.stack.gang.memory_floor * (reading.memory_total or 0)
    if needed.peak + kept > there:
        text = f"{there / GIB:.1f} GiB are available, {needed.peak / GIB:.1f} needed"
        if kept:
            text += f" and {kept / GIB:.1f} kept free"
        yield Problem(text, stops=needed.least + kept > there)
