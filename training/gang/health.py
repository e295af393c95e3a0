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
_NEAR = 3
"""Floors: with less than that available, pressure and a fast fall count."""
_SOON = 5.0
"""Seconds. Memory that would be gone by then is: the second look, the kill, and the driver's giving
back take some of them."""


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
    too, long before it kills anybody. MemAvailable counts page cache, which CUDA does not get at
    once, so there must be more of it than elsewhere. Reported (vllm-project/vllm#56824): 28.9 GiB
    available became 6.3 in 10 s. At that 2.3 GiB/s a floor of 6 GiB alone, seen twice, ends a
    trainer with 1 to 4 GiB left; the fall, seen from 18 GiB on, with 7 to 9.

    Of a Spark's 119.7 GiB the estimate gives a run 107.7 at most, and the system takes some 4: 8
    are left, 34 of the 70B recipe (81 GiB). Neither comes below 6, and what stands still at less
    than 18 is left alone.
    """

    floor: float
    """Share of all memory that must stay available; 0 switches the guard off."""
    meminfo: Path = Path("/proc/meminfo")
    pressure: Path = Path("/proc/pressure/memory")
    clock: Callable[[], float] = time.monotonic
    _bad: int = field(default=0)
    _last: tuple[float, int] | None = field(default=None)
    """When it looked, and the bytes that were available."""

    def look(self) -> str | None:
        """Why the trainer must go now, or None."""
        if not self.floor:
            return None
        there, total = memory_available(self.meminfo), memory_total(self.meminfo)
        pressed, fall = _full(self.pressure), self._fall(there)
        floor = self.floor * total
        strained = pressed > _PRESSED or fall * _SOON > there
        low = there < floor or (strained and there < _NEAR * floor)
        self._bad = self._bad + 1 if low else 0
        if self._bad < _CONSECUTIVE:
            return None
        said = [f"{there / 2**30:.1f} of {total / 2**30:.0f} GiB of memory were left"]
        if fall * _SOON > there:
            said.append(f"{fall / 2**30:.1f} GiB fewer each second")
        if pressed:
            said.append(f"{pressed:.0f} % of the time lost to paging")
        return ", ".join(said)

    def _fall(self, there: int) -> float:
        """Bytes a second that went since the last look; 0 when there are more."""
        now, last = self.clock(), self._last
        self._last = now, there
        if last is None or now <= last[0]:
            return 0.0
        return max(0.0, (last[1] - there) / (now - last[0]))


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
