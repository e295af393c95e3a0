"""Memory: what the run will take is there."""

from collections.abc import Iterator

from orchestrator.doctor.check import OfRank, Problem
from orchestrator.doctor.readiness import NodeReadiness, Wanted
from orchestrator.stack.ranks import Rank
from training.plan.memory import GIB


@OfRank.about(
    "memory",
    before=("train",),
    order=200,
    why="A rank that runs out of memory ends the run, or hangs the machine. Where weights and "
    "optimizer fit, and only full batches may not, it is a warning.",
    fix="End what holds memory there, or lower loop.per_device_batch_size.",
)
def memory_is_enough(wanted: Wanted, rank: Rank, reading: NodeReadiness) -> Iterator[Problem]:
    """For a model whose shape is known."""
    needed, there = wanted.memory, reading.memory
    if needed is not None and there is not None and needed.peak > there:
        text = f"{there / GIB:.1f} GiB are available, {needed.peak / GIB:.1f} needed"
        yield Problem(text, stops=needed.least > there)
