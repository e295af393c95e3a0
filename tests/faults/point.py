"""Where a command can be struck: at an event of a change, or while an operation is in flight."""

from dataclasses import dataclass
from typing import Literal

When = Literal["start", "before", "after"]


@dataclass(frozen=True)
class Point:
    """One moment of a command, the same in every run of it.

    `before` is ChangeStarted, `after` is ChangeDone, `start` is the connection to a node. The
    operations (a script, a Docker API request) that follow it are counted from 1 on; 0 is the event
    itself. `later` is how many seconds of the operation have passed.
    """

    when: When
    what: str
    """A change (`spark-a/daemon.json`), or for `start` a node."""
    operation: int = 0
    later: float = 0.0

    @property
    def node(self) -> str:
        """The machine that the change is on."""
        return self.what.partition("/")[0]

    @property
    def in_flight(self) -> bool:
        """Whether an operation has begun and not ended."""
        return self.operation > 0

    def __str__(self) -> str:
        flight = f", {self.later:.2f} s into operation {self.operation}" if self.in_flight else ""
        return f"{self.when} {self.what}{flight}"


@dataclass(frozen=True)
class Seen:
    """A point that a whole run came by, and how long its operation took."""

    when: When
    what: str
    operation: int
    seconds: float

    @property
    def in_change(self) -> bool:
        """Whether a change was begun and is not yet known to be made."""
        return self.when == "before"

    @property
    def locked(self) -> bool:
        """Whether the lock is being taken, or held. Before that there is only a probe."""
        return self.when != "start" or self.operation > 1

    @property
    def points(self) -> list[Point]:
        """The moments to strike at: a long operation of a change has three."""
        long = self.in_change and self.seconds > 0.5
        return [self._at(share) for share in (0.2, 0.5, 0.8)] if long else self.middle

    @property
    def middle(self) -> list[Point]:
        """The one moment that matters most."""
        return [self._at(0.5)]

    def _at(self, share: float) -> Point:
        return Point(self.when, self.what, self.operation, round(share * self.seconds, 3))
