"""When a run will be at its last step, by the pace that was seen here."""

import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass
class Eta:
    """Follows the steps of rank 0. The time before the first of them does not count."""

    clock: Callable[[], float] = time.monotonic
    _first: tuple[int, float] | None = None

    def on_step(self, step: int) -> None:
        """A step was made now."""
        if self._first is None:
            self._first = (step, self.clock())

    def reset(self) -> None:
        """An attempt resumes from a checkpoint: the steps before it do not count."""
        self._first = None

    def seconds(self, step: int, total: int) -> float | None:
        """From this step to the last one; None while there is no pace yet."""
        if self._first is None or step <= self._first[0]:
            return None
        first, then = self._first
        return (self.clock() - then) / (step - first) * (total - step)
