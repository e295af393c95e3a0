"""Whether a trainer still makes progress, and whether the machine keeps enough memory."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import ValidationError

from training.contract.heartbeat import Heartbeat
from training.contract.memory import memory_available, memory_total

_PRESSED = 25.0
"""Percent of the last 10 s in which nothing on the machine could run for want of memory."""
_CONSECUTIVE = 2
"""Bad readings in a row: a single one may be a moment's."""
_AHEAD = 3.0
"""Seconds. Owners saw 22 GiB go in 10 s, and machines freeze within them (vllm#56824)."""


@dataclass(frozen=True)
class LastHeartbeat:
    """The last heartbeat of a trainer: heartbeat-rank<R>.json."""

    step: int
    training: bool
    """Whether steps are being made: what comes before them may take hours and is not watched."""
    pid: int | None
    changed: float
    """Modification time of the file, seconds since the epoch."""

    @classmethod
    def read(cls, file: Path) -> "LastHeartbeat | None":
        """None when there is none."""
        try:
            changed, heartbeat = (
                file.stat().st_mtime,
                Heartbeat.model_validate_json(file.read_bytes()),
            )
        except (OSError, ValidationError):
            return None
        return cls(heartbeat.step or 0, heartbeat.step is not None, heartbeat.pid, changed)


@dataclass
class Silence:
    """Finds a trainer that hangs: `look` every second or so."""

    limit: float
    """Seconds; five times the longest pause so far if that is more."""
    clock: Callable[[], float] = time.monotonic
    _longest: float = 0.0
    _last: tuple[float, float] | None = None
    """The heartbeat's own time, and when it was first seen by the monotonic clock."""

    def look(self, heartbeat: LastHeartbeat | None) -> float | None:
        """Seconds of silence once that is too long, else None."""
        if heartbeat is None or not heartbeat.training:
            self._last = None
            return None
        now = self.clock()
        if self._last is None or self._last[0] != heartbeat.changed:
            if self._last is not None:
                self._longest = max(self._longest, now - self._last[1])
            self._last = (heartbeat.changed, now)
            return None
        silent = now - self._last[1]
        return silent if silent > max(self.limit, 5 * self._longest) else None


@dataclass
class MemoryGuard:
    """Sees a machine that is about to freeze: unified memory has no other brake.

    Out of memory means on a GB10 that the kernel throws out every page of every program, sshd's
    too, long before it kills anybody. Too little is there also where it will be in a moment, as
    fast as it goes.
    """

    floor: float
    """Share of all memory that must stay available; 0 switches the guard off."""
    meminfo: Path = Path("/proc/meminfo")
    pressure: Path = Path("/proc/pressure/memory")
    clock: Callable[[], float] = time.monotonic
    _bad: int = field(default=0)
    _last: tuple[float, int] | None = field(default=None)
    """When it was read, and what was there."""

    def look(self) -> str | None:
        """Why the trainer must go now, or None."""
        if not self.floor:
            return None
        there, total = memory_available(self.meminfo), memory_total(self.meminfo)
        pressed, least = _full(self.pressure), self.floor * total
        soon = there - _AHEAD * self._falls(there)
        low = min(there, soon) < least or (pressed > _PRESSED and there < 3 * least)
        self._bad = self._bad + 1 if low else 0
        if self._bad < _CONSECUTIVE:
            return None
        return f"{there / 2**30:.1f} of {total / 2**30:.0f} GiB of memory were left" + (
            f", {pressed:.0f} % of the time lost to paging" if pressed else ""
        )

    def _falls(self, there: int) -> float:
        """Bytes that go in a second, since the last look."""
        now, last = self.clock(), self._last
        self._last = now, there
        if last is None or now <= last[0]:
            return 0.0
        return max(last[1] - there, 0) / (now - last[0])


def _full(pressure: Path) -> float:
    """`full avg10` of the kernel's pressure stall information; 0 where it has none."""
    try:
        for line in pressure.read_text().splitlines():
            if line.startswith("full "):
                return float(line.split()[1].removeprefix("avg10="))
    except (OSError, ValueError, IndexError):
        pass
    return 0.0


def oom_kills(events: Path = Path("/sys/fs/cgroup/memory.events")) -> int:
    """How many processes of this container the kernel has killed for want of memory."""
    try:
        fields = dict(line.split() for line in events.read_text().splitlines())
        return int(fields["oom_kill"])
    except (OSError, ValueError, KeyError):
        return 0
