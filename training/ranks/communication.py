"""How much of a step the ranks talk to each other: seen in one step out of many.

Collectives run beside the computing, on threads and streams of their own, so a stopwatch around
them would show when they were asked for, not how long they took. torch's profiler sees them; it
costs too much for every step (docs/reference.md says how much).
"""

from collections.abc import Iterable
from typing import Any

import torch
from torch.profiler import ProfilerActivity, profile
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

_FIRST = 3
"""The first steps are not like the others: memory is asked for, kernels are chosen."""
_EVERY = 100
_COLLECTIVES = ("gloo:", "nccl:", "ncclDevKernel")


def due(steps_made: int) -> bool:
    """Whether to look at the step after these, of all that this process makes."""
    return (steps_made + 1) % _EVERY == _FIRST


def covered(spans: Iterable[tuple[float, float]]) -> float:
    """Length of the union of spans (begin, end): what overlaps counts once."""
    total, reached = 0.0, float("-inf")
    for begin, end in sorted(spans):
        total += max(0.0, end - max(begin, reached))
        reached = max(reached, end)
    return total


class Communication(TrainerCallback):  # type: ignore[misc]
    """Looks at a step now and then. `take` has the seconds that some collective was under way."""

    def __init__(self) -> None:
        self._made = 0
        self._profile: profile | None = None
        self._seconds: float | None = None

    def on_step_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        """Begin to look, when it is time."""
        if due(self._made):
            activities = [ProfilerActivity.CPU]
            if torch.cuda.is_available():
                activities.append(ProfilerActivity.CUDA)
            self._profile = profile(activities=activities)
            self._profile.start()

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        """Count what was seen."""
        self._made += 1
        if self._profile is None:
            return
        self._profile.stop()
        seen = [e.time_range for e in self._profile.events() if e.name.startswith(_COLLECTIVES)]
        self._seconds = covered((span.start, span.end) for span in seen) / 1e6  # from microseconds
        self._profile = None

    def take(self) -> float | None:
        """Of the step that was looked at since the last call, if there was one."""
        taken, self._seconds = self._seconds, None
        return taken
