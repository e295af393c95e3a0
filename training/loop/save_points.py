"""After which steps to save, and when to stop: the same on every rank, for the votes are shared."""

import signal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from training.contract.config import Loop
from training.loop.best import Standing, standing
from training.ranks.group import Answer, Group


class StopSignal:
    """Catches SIGTERM until the process ends, and only records it."""

    def __init__(self) -> None:
        self.received = False
        signal.signal(signal.SIGTERM, self._receive)

    def _receive(self, *_: object) -> None:
        self.received = True


@dataclass(frozen=True)
class Decision:
    """What to do after a step and its evaluation."""

    save: bool = False
    stopped: tuple[int, ...] = ()
    """Ranks that got SIGTERM: all stop."""
    patience_over: bool = False


@dataclass(frozen=True)
class SavePoints:
    """Every so many steps, after the best evaluation so far if that is to be kept, and when any
    rank got SIGTERM; and the end of `patience`.

    Not after the last step: what follows it takes seconds, and ends in the adapter.
    """

    group: Group
    every: int
    loop: Loop
    stop: StopSignal
    total_steps: int

    def ask(self, step: int) -> Answer:
        """Begin to ask which ranks got SIGTERM. All ranks together; after the last step nobody."""
        return self.group.ask(self.stop.received) if step < self.total_steps else list

    def after(self, step: int, stopped: Sequence[int], held_out: Mapping[int, float]) -> Decision:
        """`stopped`: the ranks that got SIGTERM; `held_out`: losses so far by step.

        A training whose patience is over saves nothing more, and ends well also when it was to be
        stopped.
        """
        if step >= self.total_steps:
            return Decision()
        stopped = tuple(stopped)
        save = (bool(self.every) and step % self.every == 0) or bool(stopped)
        if step not in held_out:
            return Decision(save, stopped)
        now, patience = self.standing(held_out), self.loop.patience
        if patience is not None and now.waited >= patience:
            return Decision(patience_over=True)
        best = self.loop.keep == "best" and now.best == step
        return Decision(save or best, stopped)

    def standing(self, held_out: Mapping[int, float]) -> Standing:
        """What these evaluations say."""
        return standing(held_out, self.loop.min_delta)
