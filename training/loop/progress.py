"""What steps come to, as events."""

import math
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from training.contract.config import TrainingConfig
from training.contract.errors import ConfigurationError
from training.contract.events import Eval, Step
from training.contract.memory import memory_available
from training.loop.curves import Curves
from training.loop.feeding import Work
from training.loop.learner import Told
from training.loop.run_totals import RunTotals
from training.loop.step_timer import StepTimer
from training.plan.throughput import model_flops_per_token
from training.ranks.communication import Seen
from training.ranks.events import EventLog
from training.ranks.memory_peaks import memory_peaks

_PHASES = ("data", "forward", "backward")


@dataclass
class Progress:
    """Tells one rank's steps and evaluations.

    Evaluations, and a step that the profiler looks at, do not count for the pace.
    """

    log: EventLog
    config: TrainingConfig
    parameters: int
    """Weights of the base: TFLOP/s are computed from them."""
    total_steps: int
    timer: StepTimer
    curves: Curves | None = None
    """On the rank that draws them."""
    clock: Callable[[], float] = time.monotonic
    totals: RunTotals = field(init=False)
    _own: int = 0
    """Real tokens of steps that count for the pace: of this rank, and of all."""
    _all: int = 0
    _tokens: int = 0
    _steps: int = 0
    _since: float = 0.0
    _apart: float = 0.0

    def __post_init__(self) -> None:
        self.totals = RunTotals(self.config.loop.log_every)

    @property
    def untold(self) -> int:
        """Real tokens of this rank in steps that were not told yet."""
        return self._tokens

    def begin(self, untold: int = 0) -> None:
        """The clock starts: what came before was preparation, or has been told, but for `untold`
        tokens before a restart."""
        self._own = self._all = self._steps = 0
        self._tokens = untold
        self._apart, self._since = 0.0, self.clock()
        self.timer.take()

    @contextmanager
    def apart(self) -> Iterator[None]:
        """The time of this block does not count for the pace."""
        began, spent = self.clock(), self.timer.take()
        yield
        self._apart += self.clock() - began
        self.timer.put(spent)

    def learned(self, work: Work, *, counts: bool) -> None:
        """A step was made; one that was looked at does not count for the pace."""
        self._tokens += work.tokens
        if counts:
            self._steps += 1
            self._own += work.tokens
            self._all += work.all_tokens

    def told(self, step: int, told: Told, communication: Seen | None) -> None:
        """One `step` event. Raises ConfigurationError for a loss that is not a number."""
        taken = self.clock() - self._since - self._apart
        own_pace, pace = (n / taken if self._steps else None for n in (self._own, self._all))
        flops = model_flops_per_token(self.parameters, self.config.method)
        tflops = own_pace * flops / 1e12 if own_pace is not None else None
        peak = self.config.loop.peak_tflops
        peaks = memory_peaks()
        event = Step(
            rank=self.log.rank,
            step=step,
            total_steps=self.total_steps,
            loss=told.loss,
            lr=told.lr,
            grad_norm=told.grad_norm,
            tokens=self._tokens,
            tokens_per_second=_digits(pace, 1),
            rank_tokens_per_second=_digits(own_pace, 1),
            tflops=_short(tflops),
            mfu=_short(tflops / peak) if tflops is not None and peak else None,
            seconds=self._seconds(taken, communication),
            memory_peak=peaks["host"] + peaks.get("reserved", 0),
            memory=peaks,
            memory_available=memory_available(),
            elapsed=self.log.elapsed,
        )
        self.log.emit(event)
        self.totals.add(event)
        if self.curves is not None:
            self.curves.draw(event)
        self.begin()
        if not math.isfinite(told.loss):
            raise ConfigurationError(
                "diverged",
                f"the loss of step {step} is not a number",
                "Lower optim.lr, or look for broken rows in the data.",
            )

    def evaluated(self, step: int, loss: float) -> None:
        """One `eval` event."""
        event = Eval(rank=self.log.rank, step=step, loss=loss, elapsed=self.log.elapsed)
        self.log.emit(event)
        if self.curves is not None:
            self.curves.draw(event)

    def _seconds(self, taken: float, communication: Seen | None) -> dict[str, float] | None:
        """Of one step, by phase; what is left of its time is `other`."""
        seconds = _of_a_step(self.timer.take(), taken, self._steps) if self._steps else {}
        if communication is not None:
            seconds |= {k: _short(v) or 0.0 for k, v in communication.seconds.items()}
        return seconds or None


def _of_a_step(spent: Mapping[str, float], taken: float, steps: int) -> dict[str, float]:
    phases = {name: spent.get(name, 0.0) for name in _PHASES}
    phases["other"] = max(taken - sum(phases.values()), 0.0)
    return {name: _short(seconds / steps) or 0.0 for name, seconds in phases.items()}


def _digits(value: float | None, digits: int) -> float | None:
    return None if value is None else round(value, digits)


def _short(value: float | None) -> float | None:
    """Four digits are more than a measurement of time is good for."""
    return None if value is None else float(f"{value:.4g}")
