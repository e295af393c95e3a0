"""How much of a step the ranks talk to each other: seen in one step out of many.

Collectives run beside the computing, on threads and streams of their own, so a stopwatch around
them would show when they were asked for, not how long they took. torch's profiler sees them; it
costs too much for every step (docs/reference.md says how much), so a step that it looks at does not
count for the pace.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import torch
from torch.autograd import DeviceType
from torch.profiler import ProfilerActivity, profile

_FIRST = 3
"""The first steps are not like the others: memory is asked for, kernels are chosen."""
_EVERY = 100
_COLLECTIVES = ("gloo:", "nccl:", "ncclDevKernel")
Span = tuple[float, float]


def due(steps_made: int) -> bool:
    """Whether to look at the step after these, of all that this process makes."""
    return (steps_made + 1) % _EVERY == _FIRST


def covered(spans: Iterable[Span]) -> float:
    """Length of the union of spans (begin, end): what overlaps counts once."""
    total, reached = 0.0, float("-inf")
    for begin, end in sorted(spans):
        total += max(0.0, end - max(begin, reached))
        reached = max(reached, end)
    return total


def exposed(talking: Iterable[Span], computing: Iterable[Span]) -> float:
    """Length of what is in the first and in none of the second."""
    computing = list(computing)
    return covered([*talking, *computing]) - covered(computing)


@dataclass
class Seen:
    """Of a step that was looked at."""

    seconds: dict[str, float] = field(default_factory=dict)
    """`communication`: some collective was under way; on a GPU also `exposed`: and nothing was
    computed meanwhile."""


@contextmanager
def look() -> Iterator[Seen]:
    """Look at what happens in this block; what was seen is there at its end."""
    seen, cuda = Seen(), torch.cuda.is_available()
    activities = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if cuda else [])]
    with profile(activities=activities) as profiler:
        yield seen
        if cuda:
            torch.cuda.synchronize()
    talking, computing = list[Span](), list[Span]()
    for event in profiler.events() or ():
        span = event.time_range.start / 1e6, event.time_range.end / 1e6  # from microseconds
        if event.name.startswith(_COLLECTIVES):
            talking.append(span)
        elif event.device_type == DeviceType.CUDA:
            computing.append(span)
    seen.seconds["communication"] = covered(talking)
    if cuda:
        seen.seconds["exposed"] = exposed(talking, computing)
