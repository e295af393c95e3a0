"""The loop: steps, evaluations and checkpoints, from the beginning or from a checkpoint."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from training.contract.config import TrainingConfig
from training.contract.errors import ConfigurationError, Stopped
from training.contract.events import Saved
from training.data.batches import Batching
from training.loop.batch_plan import BatchPlan
from training.loop.checkpoint import Checkpoints, ResumePoint, State
from training.loop.feeding import Work, feed, scored
from training.loop.learner import Learner
from training.loop.progress import Progress
from training.loop.save_points import SavePoints, StopSignal
from training.model.shards import local, reshard, shared
from training.ranks.communication import Seen, due, look
from training.ranks.events import EventLog
from training.ranks.group import Answer, Group
from training.ranks.rng import rng_state, set_rng_state

AfterStep = Callable[[int], None]


class Training:
    """Of one rank, in step with the others."""

    def __init__(
        self,
        learner: Learner,
        plan: BatchPlan,
        config: TrainingConfig,
        group: Group,
        log: EventLog,
        progress: Progress,
        checkpoints: Checkpoints,
        batching: Batching,
        after_step: AfterStep = lambda step: None,
    ) -> None:
        """`after_step`: what else happens after a step but the last. Listens for SIGTERM from now
        on."""
        self._learner, self._plan, self._config = learner, plan, config
        self._group, self._log, self._progress = group, log, progress
        self._checkpoints, self._after_step = checkpoints, after_step
        self._batching = batching
        self._points = SavePoints(
            group, config.checkpoint.every, config.loop, StopSignal(), plan.steps
        )
        self._communication: Seen | None = None
        self.step = 0
        """The last one that was made."""
        self.tokens = 0
        """Real tokens of this rank since the first step, those of earlier attempts included."""
        self.held_out: dict[int, float] = {}
        """Held-out loss by step."""
        self.ended_early = False
        """Whether `patience` came to its end before the last step."""

    def train(self, resume_point: ResumePoint | None = None) -> int:
        """Train to the end; the step after which the weights were as the model has them now.

        Raises `Stopped` when any rank got SIGTERM; all ranks have saved then.
        """
        untold = 0
        if resume_point is None:
            self.evaluate()
        else:
            untold = self._resume(resume_point)
        first = self.step + 1
        self._progress.begin(untold)
        pin = self._group.device.type == "cuda"
        for work in feed(self._plan, self._group.env.rank, self.step, pin=pin):
            self._learn(work, looked_at=due(work.step - first))
            logged = work.step % self._config.loop.log_every == 0
            told = self._learner.read() if logged else None
            stops = self._points.ask(work.step)  # under way while the step is told
            if told is not None:
                self._progress.told(self.step, told, self._communication)
                self._communication = None
            if not self._go_on(stops):
                break
        if self.step not in self.held_out:
            self.evaluate()
        return self._take_what_is_kept()

    def warm_up(self) -> None:
        """A pass as in an evaluation, and one as in training, of which nothing is learned."""
        work = next(feed(self._plan, self._group.env.rank, 0, pin=False))
        self._learner.warm_up(work.batches[0])

    def evaluate(self) -> float:
        """Held-out loss of the model as it is, told and kept."""
        plan, env = self._plan, self._group.env
        rows = plan.sequences.held_out
        batches = (
            scored(plan.collate([rows[row] for row in batch]))
            for batch in plan.held_out_of(env.rank)
        )
        self._learner.wait()  # the steps before are still under way: their time counts
        with self._progress.apart():
            loss: float = self._learner.evaluate(
                batches, lambda: self._log.beat("evaluating", self.step)
            )
        self.held_out[self.step] = loss
        self._progress.evaluated(self.step, loss)
        return loss

    def _learn(self, work: Work, *, looked_at: bool) -> None:
        """One step; one that the profiler looks at does not count for the pace."""
        looked_at = looked_at and self._plan.shape.ranks > 1

        def beat() -> None:
            self._log.beat("training", work.step - 1)

        if looked_at:
            self._learner.wait()
            with self._progress.apart(), look() as self._communication:
                self._learner.learn(work, beat)
        else:
            self._learner.learn(work, beat)
        self._progress.learned(work, counts=not looked_at)
        self.step, self.tokens = work.step, self.tokens + work.tokens

    def _go_on(self, stops: Answer) -> bool:
        """What follows a step; `stops`: which ranks are to. False when it was the last of this
        training."""
        every, step = self._config.loop.eval_every, self.step
        if step < self._plan.steps:
            self._after_step(step)
        if every and step % every == 0:
            self.evaluate()
        decision = self._points.after(step, stops(), self.held_out)
        if decision.save:
            self._save()
        if decision.stopped:
            ranks = " and ".join(f"rank {rank}" for rank in decision.stopped)
            raise Stopped(
                "stopped",
                f"{ranks} got SIGTERM; all ranks saved at step {step} of {self._plan.steps}",
                "Start the run again: it resumes from there.",
            )
        self.ended_early = decision.patience_over
        return not self.ended_early

    def _take_what_is_kept(self) -> int:
        """Give the model the weights of the step that is to be saved; that step. All ranks."""
        best = self._points.standing(self.held_out).best
        if self._config.loop.keep == "last" or best is None or best == self.step:
            return self.step
        self._group.run_on_all(lambda: self._take(self._checkpoints.weights_of(best), str(best)))
        return best

    def _trained(self) -> dict[str, torch.Tensor]:
        """What this rank has of the trained weights."""
        model = self._learner.model
        reshard(model)
        trained = {n: p.detach() for n, p in model.named_parameters() if p.requires_grad}
        return dict(local(trained))

    def _save(self) -> None:
        began = time.monotonic()
        self._log.beat("saving a checkpoint", self.step)
        keeps = self._config.loop.keep == "best"
        best = self._points.standing(self.held_out).best if keeps else None
        size = self._checkpoints.save(self.step, self._write_part, best)
        self._log.emit(
            Saved(
                rank=self._log.rank,
                step=self.step,
                bytes=size,
                seconds=round(time.monotonic() - began, 3),
                elapsed=self._log.elapsed,
            )
        )

    def _write_part(self, folder: Path) -> None:
        State(
            weights=self._trained(),
            optimizer=local(self._learner.optimizer.state_dict()),
            scheduler=self._learner.schedule.state_dict(),
            rng=rng_state(),
            counters={
                "tokens": self.tokens,
                "held_out": self.held_out,
                "batching": self._batching,
                "unread": self._learner.unread(),
                "untold": self._progress.untold,
            },
        ).write(folder)

    def _resume(self, point: ResumePoint) -> int:
        """Everything as it was; real tokens of the steps that were made and not told."""
        then = State.read(point.folder)
        self._take(then.weights, str(point.folder))
        optimizer = self._learner.optimizer
        weights = [w for group in optimizer.param_groups for w in group["params"]]
        for number, averages in then.optimizer["state"].items():
            then.optimizer["state"][number] = _placed(averages, weights[number])
        optimizer.load_state_dict(then.optimizer)
        self._learner.schedule.load_state_dict(then.scheduler)
        set_rng_state(then.rng)
        self.step, self.tokens = point.step, then.counters["tokens"]
        self.held_out = then.counters["held_out"]
        self._learner.set_unread(*then.counters.get("unread", (0.0, 0)))
        untold: int = then.counters.get("untold", 0)
        return untold

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


def batching_of(point: ResumePoint | None) -> Batching | None:
    """How the checkpoint's batches were made; one of an older version did not say, nor pack."""
    if point is None:
        return None
    batching: Batching = State.read(point.folder).counters.get("batching", "padding-free")
    return batching


def _placed(saved: Any, like: torch.Tensor) -> Any:
    """The state of one weight, off the file's mapping, and sharded as the weight is."""
    if isinstance(saved, dict):  # 8-bit AdamW has one in it
        return {name: _placed(below, like) for name, below in saved.items()}
    return shared(saved.clone(), like) if isinstance(saved, torch.Tensor) else saved
