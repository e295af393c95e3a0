"""Events while a plan is applied; the terminal and the JSON listen to the same."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from orchestrator.errors import SparkctlError

if TYPE_CHECKING:  # who connects imports this before it imports what changes are
    from orchestrator.resources.base import Change


@dataclass(frozen=True)
class ChangeStarted:
    """Its original is in the journal; the change begins."""

    change: "Change"


@dataclass(frozen=True)
class ChangeDone:
    """It was made; `seconds` is how long that took."""

    change: "Change"
    seconds: float


@dataclass(frozen=True)
class ChangeFailed:
    """It was not made, or not whole."""

    change: "Change"
    error: SparkctlError


Event = ChangeStarted | ChangeDone | ChangeFailed
Listener = Callable[[Event], None]
