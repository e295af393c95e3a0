"""Waiting: one helper, so that nothing in the lab or its tests sleeps for a guessed time."""

import time
from collections.abc import Callable
from typing import TypeVar

from orchestrator.errors import LabError

T = TypeVar("T")


def until(
    condition: Callable[[], T | None],
    *,
    what: str,
    deadline_seconds: float,
    interval_seconds: float = 0.1,
) -> T:
    """The first result of `condition` that is neither None nor False.

    It is asked every `interval_seconds`, and once more after the deadline.

    Raises:
        LabError: nothing came within `deadline_seconds`; the message names `what` was awaited.
    """
    end = time.monotonic() + deadline_seconds
    while True:
        last = time.monotonic() >= end
        result = condition()
        if result is not None and result is not False:
            return result
        if last:
            raise LabError(f"{what}: not within {deadline_seconds:g} s")
        time.sleep(interval_seconds)
