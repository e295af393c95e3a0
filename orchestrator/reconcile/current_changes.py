"""The changes that are being made right now, and whether a further one may begin."""

import threading
from typing import TYPE_CHECKING

from orchestrator.errors import SparkctlError

if TYPE_CHECKING:  # who connects imports this before it imports what changes are
    from orchestrator.resources.base import Change


class CurrentChanges:
    """Shared by the threads that make changes and by whoever wants them to stop."""

    def __init__(self) -> None:
        self._lock = threading.RLock()  # a signal may come to the thread that has it
        self._changes: dict[str, Change] = {}
        self._stopped = False
        self.why: SparkctlError | None = None
        """What stopped it, if that was an error."""

    def begin(self, change: "Change") -> bool:
        """Whether it may begin; then it is a current change until `end`."""
        with self._lock:
            if not self._stopped:
                self._changes[change.id] = change
            return not self._stopped

    def end(self, change: "Change") -> None:
        """It is made, or has failed."""
        with self._lock:
            self._changes.pop(change.id, None)

    def stop(self, why: SparkctlError | None = None) -> "tuple[Change, ...]":
        """No further one may begin. Returns those that have begun and not ended."""
        with self._lock:
            self._stopped = True
            self.why = self.why or why
            return tuple(self._changes.values())
