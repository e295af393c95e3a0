"""trl's SFTTrainer with our settings, emitting our events."""

import math
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from peft import PeftModel
from transformers import (
    PreTrainedModel,
    PreTrainedTokenizerBase,
    PrinterCallback,
    TrainerCallback,
    TrainerControl,
    TrainerState,
    TrainingArguments,
)

from training.contract.config import TrainingConfig
from training.contract.errors import ConfigurationError
from training.contract.events import Eval, Step
from training.contract.memory import memory_available, memory_peak
from training.loop.arguments import arguments
from training.loop.checkpoint import ResumePoint
from training.loop.curves import Curves
from training.loop.planned import BatchPlan, PlannedTrainer
from training.loop.resumable import ResumableTrainer
from training.loop.run_totals import RunTotals
from training.loop.step_timer import StepTimer
from training.plan.throughput import model_flops_per_token
from training.ranks.communication import Communication
from training.ranks.events import EventLog


def make_trainer(
    model: PreTrainedModel | PeftModel,
    tokenizer: PreTrainedTokenizerBase,
    batch_plan: BatchPlan,
    config: TrainingConfig,
    *,
    device: torch.device,
    scratch: Path,
    log: EventLog,
    parameters: int,
    on_start: Callable[[int], None],
) -> "CountingTrainer":
    """A trainer that evaluates before step 1 and reports through `log`.

    `on_start` is called once, with the number of optimizer steps to come. `parameters` are the
    weights of the base: TFLOP/s are computed from them.
    """
    trainer = CountingTrainer(
        events=log,
        batch_plan=batch_plan,
        model=model,
        args=arguments(config, batch_plan.steps, device, scratch),
        processing_class=tokenizer,
    )
    trainer.remove_callback(PrinterCallback)
    if batch_plan.shape.ranks > 1:
        trainer.add_callback(trainer.communication)
    flops = model_flops_per_token(parameters, config.method)
    trainer.add_callback(Progress(trainer, log, flops, config.loop.peak_tflops, on_start))
    return trainer


class CountingTrainer(ResumableTrainer, PlannedTrainer):
    """Keeps the held-out losses; the real tokens are counted where they are fed."""

    def __init__(self, events: EventLog, **settings: Any) -> None:
        """`events` gets its heartbeats; the rest is trl's."""
        self._events = events
        self.timer = StepTimer()
        self.communication = Communication()
        self.curves: Curves | None = None
        """On the rank that draws them."""
        super().__init__(**settings)
        self.totals = RunTotals(int(self.args.logging_steps))

    def counters(self) -> dict[str, Any]:
        """Both continue after a restart."""
        return {"tokens": self.tokens, "held_out": self.held_out}

    def set_counters(self, counters: dict[str, Any]) -> None:
        """As `counters` gave them."""
        self.tokens, self.held_out = counters["tokens"], counters["held_out"]

    def get_batch_samples(self, *args: Any, **kwargs: Any) -> Any:
        """The batches of one optimizer step."""
        with self.timer.measure("data"):
            return super().get_batch_samples(*args, **kwargs)

    def training_step(self, *args: Any, **kwargs: Any) -> Any:
        """One pass, forwards and backwards."""
        with self.timer.measure("backward"):
            return super().training_step(*args, **kwargs)

    def compute_loss(self, model: torch.nn.Module, *args: Any, **kwargs: Any) -> Any:
        """The way forwards, of a training step or an evaluation.

        Each writes a heartbeat: one step may take minutes, in many forward passes.
        """
        doing = ("training", "forward") if model.training else ("evaluating", "evaluation")
        self._events.beat(doing[0], self.state.global_step)
        with self.timer.measure(doing[1]):
            return super().compute_loss(model, *args, **kwargs)

    def train_and_evaluate(self, resume_point: ResumePoint | None) -> int:
        """Train to the end; the step after which the weights were as the model has them now."""
        self.train_from(resume_point)
        if self.state.global_step not in self.held_out:
            self.evaluate()
        return self.take_what_is_kept()


class Progress(TrainerCallback):  # type: ignore[misc]
    """Turns the trainer's logs into `step` and `eval` events."""

    def __init__(
        self,
        trainer: CountingTrainer,
        log: EventLog,
        flops_per_token: int,
        peak_tflops: float | None,
        on_start: Callable[[int], None],
    ) -> None:
        self._trainer = trainer
        self._log = log
        self._flops = flops_per_token
        self._peak = peak_tflops
        self._on_start = on_start
        self._all_tokens = 0
        self._own_tokens = 0
        self._first_step = 0
        self._since = time.monotonic()

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        """Only now the trainer knows how many steps it will make, and where it resumes."""
        self._own_tokens, self._first_step = self._trainer.tokens, state.global_step
        self._on_start(state.max_steps)

    def on_step_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        """The clock of the first step starts here: what came before was preparation."""
        if state.global_step == self._first_step:
            self._since = time.monotonic()
            self._trainer.timer.take()

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: Mapping[str, Any] | None = None,
        **_: Any,
    ) -> None:
        """One `step` event; the trainer logs the same mean loss on every rank."""
        if logs is None or "loss" not in logs:
            return  # an evaluation, or the summary at the end
        now, total, own = time.monotonic(), int(logs["num_tokens"]), self._trainer.tokens
        taken, tokens = now - self._since, own - self._own_tokens
        tflops = tokens / taken * self._flops / 1e12
        seconds = _of_a_step(self._trainer.timer.take(), taken, args.logging_steps)
        if (communication := self._trainer.communication.take()) is not None:
            seconds["communication"] = _digits(communication)
        event = Step(
            rank=self._log.rank,
            step=state.global_step,
            total_steps=state.max_steps,
            loss=logs["loss"],
            lr=logs.get("learning_rate"),
            grad_norm=logs.get("grad_norm"),
            tokens=tokens,
            tokens_per_second=round((total - self._all_tokens) / taken, 1),
            rank_tokens_per_second=round(tokens / taken, 1),
            tflops=_digits(tflops),
            mfu=_digits(tflops / self._peak) if self._peak else None,
            seconds=seconds,
            memory_peak=memory_peak() + _on_the_gpu(),
            memory_available=memory_available(),
            elapsed=self._log.elapsed,
        )
        self._log.emit(event)
        self._trainer.totals.add(event)
        if self._trainer.curves is not None:
            self._trainer.curves.draw(event)
        self._since, self._all_tokens, self._own_tokens = now, total, own
        if not math.isfinite(logs["loss"]):
            raise ConfigurationError(
                "diverged",
                f"the loss of step {state.global_step} is not a number",
                "Lower optim.lr, or look for broken rows in the data.",
            )

    def on_evaluate(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        metrics: Mapping[str, float] | None = None,
        **_: Any,
    ) -> None:
        """One `eval` event; its time does not count as training time."""
        loss = (metrics or {})["eval_loss"]
        self._trainer.held_out[state.global_step] = loss
        event = Eval(
            rank=self._log.rank, step=state.global_step, loss=loss, elapsed=self._log.elapsed
        )
        self._log.emit(event)
        if self._trainer.curves is not None:
            self._trainer.curves.draw(event)
        self._since = time.monotonic()
        self._trainer.timer.take()


def _of_a_step(spent: Mapping[str, float], taken: float, steps: float) -> dict[str, float]:
    """Seconds of one step by phase; what is left of the time that was taken is `other`."""
    phases = {name: spent.get(name, 0.0) for name in ("data", "forward", "backward")}
    phases["other"] = max(taken - sum(phases.values()), 0.0)
    return {name: _digits(seconds / steps) for name, seconds in phases.items()}


def _digits(value: float) -> float:
    """Four digits are more than a measurement of time is good for."""
    return float(f"{value:.4g}")


def _on_the_gpu() -> int:
    return torch.cuda.max_memory_reserved() if torch.cuda.is_available() else 0
