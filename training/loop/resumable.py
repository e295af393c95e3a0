"""A trainer that saves checkpoints, stops on SIGTERM, and resumes from there.

Touched inside transformers (pinned; tests/training/loop/test_resume.py runs all of it): four
hooks that its loop calls at the right moments - `_save_checkpoint` after a step's logs and
evaluation, `_load_from_checkpoint` before it wraps the model, `_load_optimizer_and_scheduler` once
those exist, `_load_rng_state` once the batches already seen are skipped. Its own versions write
whole bases, or refuse a base that was sharded at load time. Its file trainer_state.json is read by
the loop itself, which skips that many batches: the data position.
"""

import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments
from transformers.trainer import TRAINER_STATE_NAME
from trl import SFTTrainer

from training.contract.config import Loop, TrainingConfig
from training.contract.errors import ConfigurationError, Stopped
from training.contract.events import Saved
from training.loop.best import Standing, standing
from training.loop.checkpoint import Checkpoints, ResumePoint, State
from training.model.shards import local, reshard, shared
from training.ranks.events import EventLog
from training.ranks.group import Group
from training.ranks.rng import rng_state, set_rng_state


class StopSignal:
    """Catches SIGTERM until the process ends, and only records it."""

    def __init__(self) -> None:
        self.received = False
        signal.signal(signal.SIGTERM, self._receive)

    def _receive(self, *_: object) -> None:
        self.received = True


class SavePoints(TrainerCallback):  # type: ignore[misc]
    """Decides after which steps to save: every so many, after the best evaluation so far if that is
    to be kept, and when any rank got SIGTERM; and when `patience` is at its end.

    Not after the last step: what follows it takes seconds, and ends in the adapter.
    """

    def __init__(
        self, group: Group, every: int, stop: StopSignal, loop: Loop, now: Callable[[], Standing]
    ) -> None:
        """`now`: what the evaluations say so far."""
        self.stop_ranks: list[int] = []
        """Ranks that got SIGTERM."""
        self.ended_early = False
        self._group = group
        self._every = every
        self._stop = stop
        self._loop = loop
        self._now = now

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        """Every rank decides the same, because the vote is shared."""
        if state.global_step >= state.max_steps:
            return
        self.stop_ranks = self._group.ranks_where(self._stop.received)
        due = bool(self._every) and state.global_step % self._every == 0
        control.should_save = due or bool(self.stop_ranks)
        control.should_training_stop = bool(self.stop_ranks)

    def on_evaluate(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        """Comes after `on_step_end` of the same step, and before it is saved.

        A training that is over saves nothing more, and ends well also when it was to be stopped.
        """
        now, patience = self._now(), self._loop.patience
        if not 0 < state.global_step < state.max_steps:
            return
        if patience is not None and now.waited >= patience:
            self.ended_early, self.stop_ranks = True, []
            control.should_training_stop, control.should_save = True, False
        elif self._loop.keep == "best" and now.best == state.global_step:
            control.should_save = True


class ResumableTrainer(SFTTrainer):  # type: ignore[misc]
    """`keep_checkpoints` first, then `train_from`."""

    _checkpoints: Checkpoints
    _points: SavePoints
    _events: EventLog
    _loop: Loop
    _group: Group
    _then: State | None = None

    def __init__(self, **settings: Any) -> None:
        self.held_out: dict[int, float] = {}
        """Held-out loss by optimizer step."""
        super().__init__(**settings)

    def keep_checkpoints(
        self, checkpoints: Checkpoints, config: TrainingConfig, group: Group, log: EventLog
    ) -> None:
        """Save there from now on, and listen for SIGTERM."""
        self._checkpoints = checkpoints
        self._loop, self._group, self._events = config.loop, group, log
        self._points = SavePoints(
            group, config.checkpoint.every, StopSignal(), config.loop, self.standing
        )
        self.add_callback(self._points)

    def standing(self) -> Standing:
        """What the evaluations so far say."""
        return standing(self.held_out, self._loop.min_delta)

    def take_what_is_kept(self) -> int:
        """Give the model the weights of the step that is to be saved; that step.

        All ranks together.
        """
        step: int = self.state.global_step
        best = self.standing().best
        if self._loop.keep == "last" or best is None or best == step:
            return step
        self._group.run_on_all(lambda: self._take(self._checkpoints.weights_of(best), str(best)))
        return best

    @property
    def ended_early(self) -> bool:
        """Whether `patience` came to its end before the last step."""
        return self._points.ended_early

    def train_from(self, resume_point: ResumePoint | None) -> None:
        """Train to the end, from the beginning or from a checkpoint.

        Raises `Stopped` when any rank got SIGTERM; all ranks have saved then.
        """
        if resume_point is None:
            self.train()
        else:
            self._then = State.read(resume_point.folder)
            self.set_counters(self._then.counters)
            self.args.eval_on_start = False
            self.train(resume_from_checkpoint=str(resume_point.folder))
        if self._points.stop_ranks:
            ranks = " and ".join(f"rank {rank}" for rank in self._points.stop_ranks)
            raise Stopped(
                "stopped",
                f"{ranks} got SIGTERM; all ranks saved at step {self.state.global_step} "
                f"of {self.state.max_steps}",
                "Start the run again: it resumes from there.",
            )

    def counters(self) -> dict[str, Any]:
        """What a subclass counts, as plain data."""
        return {}

    def set_counters(self, counters: dict[str, Any]) -> None:
        """Continue counting from there."""

    def _trained(self) -> dict[str, torch.Tensor]:
        """What this rank has of the trained weights."""
        reshard(self.model)
        trained = {n: p.detach() for n, p in self.model.named_parameters() if p.requires_grad}
        return dict(local(trained))

    def _save_checkpoint(self, model: torch.nn.Module, trial: Any) -> None:
        began, step = time.monotonic(), self.state.global_step
        self._events.beat("saving a checkpoint", step)
        best = self.standing().best if self._loop.keep == "best" else None
        size = self._checkpoints.save(step, self._write_part, best)
        self._events.emit(
            Saved(
                rank=self._events.rank,
                step=step,
                bytes=size,
                seconds=round(time.monotonic() - began, 3),
                elapsed=self._events.elapsed,
            )
        )

    def _write_part(self, folder: Path) -> None:
        State(
            weights=self._trained(),
            optimizer=local(self.optimizer.state_dict()),
            scheduler=self.lr_scheduler.state_dict(),
            rng=rng_state(),
            counters=self.counters(),
        ).write(folder)
        self.state.save_to_json(str(folder / TRAINER_STATE_NAME))

    def _load_from_checkpoint(self, folder: str, model: torch.nn.Module | None = None) -> None:
        assert self._then is not None
        self._take(self._then.weights, folder)

    def _take(self, saved: dict[str, torch.Tensor], where: str) -> None:
        trained = self._trained()
        if {n: w.shape for n, w in trained.items()} != {n: w.shape for n, w in saved.items()}:
            raise ConfigurationError(
                "checkpoint_unfit",
                f"{where} holds weights of other names or shapes than are trained now",
                "It was made by another version of the libraries. Start a new run.",
            )
        for name, weight in trained.items():
            weight.copy_(saved[name])

    def _load_optimizer_and_scheduler(self, folder: str | None) -> None:
        if self._then is not None:
            saved = self._then.optimizer
            weights = [w for group in self.optimizer.param_groups for w in group["params"]]
            for number, averages in saved["state"].items():
                saved["state"][number] = _placed(averages, weights[number])
            self.optimizer.load_state_dict(saved)
            self.lr_scheduler.load_state_dict(self._then.scheduler)

    def _load_rng_state(self, folder: str | None) -> None:
        if self._then is not None:
            set_rng_state(self._then.rng)
            self._then = None  # as large as the optimizer; all of it is in place now


def _placed(saved: Any, like: torch.Tensor) -> Any:
    """The state of one weight, off the file's mapping, and sharded as the weight is."""
    if isinstance(saved, dict):  # 8-bit AdamW has one in it
        return {name: _placed(below, like) for name, below in saved.items()}
    return shared(saved.clone(), like) if isinstance(saved, torch.Tensor) else saved
