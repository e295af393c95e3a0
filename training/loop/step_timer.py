"""Measure where the time of a step goes, as the host sees it."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class StepTimer:
    """Named stopwatches. Work queued on a GPU counts where the host waits for it."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._spent: dict[str, float] = {}

    @contextmanager
    def measure(self, name: str) -> Iterator[None]:
        """Count the time of this block under a name, and not under that of a block around it."""
        began, inside = self._clock(), sum(self._spent.values())
        try:
            yield
        finally:
            counted = sum(self._spent.values()) - inside
            taken = self._clock() - began - counted
            self._spent[name] = self._spent.get(name, 0.0) + taken

    def put(self, spent: dict[str, float]) -> None:
        """Count from there on, whatever was measured."""
        self._spent = spent

    def take(self) -> dict[str, float]:
        """Seconds by name since the last call."""
        taken, self._spent = self._spent, {}
        return taken
