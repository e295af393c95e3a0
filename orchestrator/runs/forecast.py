"""What a run will need, estimated before it starts: strategy, memory, speed. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import ceil

from orchestrator.facts.machine import Machine
from orchestrator.runs.remedy import nodes_that_fit, settings_that_fit
from orchestrator.spec.stack import StackSpec
from orchestrator.stack.ranks import Rank
from training.contract.config import TrainingConfig
from training.plan.checkpointing import Recompute, recomputing, settle
from training.plan.estimate import Strategy, Work, memory
from training.plan.memory import GIB, Memory
from training.plan.shape import Shape
from training.plan.strategy import choose, usable
from training.plan.throughput import pace


@dataclass(frozen=True)
class Forecast:
    """For full rows of `data.max_length`, which is the most that a batch can be."""

    strategy: Strategy
    memory: Memory
    there: int | None
    """Bytes of the smallest node, of its GPU where that has less; None when none was read."""
    usable: int
    """Of them, or of a Spark's, what a run may take (`parallel.gpu_memory_share`)."""
    checkpoint: int
    """Bytes of the base's weight files, about."""
    tokens_per_second: float | None
    """Of all ranks together; None for a small model, whose time is not spent on computing."""
    recompute: Recompute = False
    """What the backward pass computes again."""
    bound: str | None = None
    """What takes the time of a step: computing, memory or link."""
    remedy: tuple[str, ...] = ()
    """Where it is tight: settings with which it would fit, as `--set` takes them, if there are."""
    nodes: int | None = None
    """Where it is tight: how many such nodes it would fit on as it is, if any number is enough."""

    @property
    def tight(self) -> bool:
        """Whether full rows take more than that."""
        return self.memory.peak > self.usable


def forecast(
    stack: StackSpec, ranks: list[Rank], world: Mapping[str, Machine] | None, shape: Shape | None
) -> Forecast | None:
    """None for a base whose shape is not known; then the ranks decide, from its files."""
    config, number = stack.training, len(ranks)
    if config is None or shape is None:
        return None
    there = min(world[rank.node].for_a_rank for rank in ranks) if world else None
    strategy = choose(config, number, shape, 0, there or SPARK)
    kept = stack.gang.memory_floor
    free = min(world[rank.node].free(kept) for rank in ranks) if world else SPARK
    again = settle(config, shape, strategy, number, there or SPARK, free)
    config = recomputing(config, again)
    needed = memory(shape, config, strategy, number)
    checkpoint = shape.stored
    speed, bound = None, None
    if shape.parameters >= _SMALL:
        tokens = number * Work.most(config).tokens * config.loop.gradient_accumulation_steps
        step = pace(shape, config, strategy, number)
        speed, bound = tokens / step.seconds, step.bound
    may = usable(config, there or SPARK)
    expected = Forecast(strategy, needed, there, may, checkpoint, speed, again, bound)
    if not expected.tight:
        return expected
    return replace(
        expected,
        remedy=settings_that_fit(shape, config, number, there or SPARK),
        nodes=nodes_that_fit(shape, config, number, there or SPARK),
    )


def most_tokens(config: TrainingConfig, ranks: int) -> tuple[int, int] | None:
    """Steps and tokens of the whole training, each the most that it can be: full rows.

    None where that depends on how many rows the data has.
    """
    a_pass = ranks * config.loop.gradient_accumulation_steps
    if config.loop.max_steps is not None:
        return config.loop.max_steps, config.loop.max_steps * a_pass * Work.most(config).tokens
    if config.data.rows is None:
        return None
    rows = ceil(config.data.rows * config.loop.epochs)
    steps = ceil(rows / (a_pass * (Work.most(config).tokens // config.data.max_length)))
    return steps, rows * config.data.max_length


_SMALL = 500_000_000
SPARK = 119 * GIB
"""What a Spark with 128 GB has left of them; asked only when no machine was read."""
