"""Totals over all steps of an attempt, for its result."""

from dataclasses import dataclass, field
from statistics import fmean, median

from training.contract.events import Step

_OF_ONE_STEP = ("communication", "exposed")
"""Beside the phases, and seen of one step out of many."""


@dataclass
class RunTotals:
    """Collects `step` events of one rank."""

    log_every: int
    """Optimizer steps that one event is about."""
    _paces: list[float] = field(default_factory=list)
    _shares: list[float] = field(default_factory=list)
    _seconds: dict[str, float] = field(default_factory=dict)
    _memory_peak: int | None = None
    _memory: dict[str, int] = field(default_factory=dict)

    def add(self, event: Step) -> None:
        """Add one event."""
        if event.tokens_per_second is not None:
            self._paces.append(event.tokens_per_second)
        if event.mfu is not None:
            self._shares.append(event.mfu)
        for name, seconds in (event.seconds or {}).items():
            if name not in _OF_ONE_STEP:
                self._seconds[name] = self._seconds.get(name, 0.0) + seconds * self.log_every
        self._memory_peak = max(self._memory_peak or 0, event.memory_peak or 0) or None
        for name, held in (event.memory or {}).items():
            self._memory[name] = max(self._memory.get(name, 0), held)

    @property
    def tokens_per_second(self) -> float | None:
        """Median: the first step, and one that waited for a disk, do not move it."""
        return round(median(self._paces), 1) if self._paces else None

    @property
    def mfu(self) -> float | None:
        """Mean."""
        return float(f"{fmean(self._shares):.4g}") if self._shares else None

    @property
    def memory_peak(self) -> int | None:
        """Bytes."""
        return self._memory_peak

    @property
    def memory(self) -> dict[str, int] | None:
        """Peaks by kind, in bytes."""
        return self._memory or None

    @property
    def seconds(self) -> dict[str, float]:
        """By phase, of all steps together."""
        return {name: round(seconds, 3) for name, seconds in self._seconds.items()}
