"""One rank in this process: the loop itself, with a model and rows of the test's own."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from training.contract.config import TrainingConfig
from training.contract.environment import RunEnvironment
from training.contract.events import Event, Step
from training.data.batches import Batching
from training.data.batching import shape
from training.loop.batch_plan import BatchPlan
from training.loop.checkpoint import Checkpoints
from training.loop.learner import Learner
from training.loop.progress import Progress
from training.loop.step_timer import StepTimer
from training.loop.training import Training
from training.model import attention
from training.model.checkpointing import recompute
from training.ranks.events import EventLog
from training.ranks.group import Group
from training.tokens.tokens import Sequences, TokenList, Tokens

CPU = torch.device("cpu")


class Told(EventLog):
    """Keeps what was told, and the signs of life."""

    def __init__(self) -> None:
        super().__init__(os.open(os.devnull, os.O_WRONLY), 0)
        self.steps: list[Step] = []
        self.beats: list[tuple[str, int | None]] = []

    def emit(self, event: Event) -> None:
        if isinstance(event, Step):
            self.steps.append(event)

    def beat(self, phase: str, step: int | None = None) -> None:
        self.beats.append((phase, step))


def alone(
    model: Any,
    rows: Sequence[Tokens],
    held_out: Sequence[Tokens],
    config: TrainingConfig,
    folder: Path,
    batching: Batching | None = None,
) -> tuple[Training, Told]:
    """A training of one rank on a CPU; without `batching` as the model's attention allows."""
    env = RunEnvironment(
        run_id="r", nonce="n", node="here", rank=0, world_size=1, run_dir=folder,
        cache_dir=folder, data_dir=folder, launched_rank=0, launched_world_size=1, local_rank=0,
    )  # fmt: skip
    chosen = attention.choose_batching(batching or config.loop.batching, model)
    collate = attention.collate(model, 0 if chosen == "padded" else None)
    sequences = Sequences(TokenList.of(rows), TokenList.of(held_out))
    plan = BatchPlan.of(sequences, config, shape(config, 1, chosen), collate)
    again = config.loop.gradient_checkpointing
    recompute(model, False if again == "auto" else again)
    log, timer, group = Told(), StepTimer(), Group(env, CPU)
    learner = Learner(model, config, plan.steps, 1, CPU, timer)
    progress = Progress(log, config, 1, plan.steps, timer)
    checkpoints = Checkpoints(folder, group, {}, 2, {})
    return Training(learner, plan, config, group, log, progress, checkpoints, chosen), log
