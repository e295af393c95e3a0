"""Watches a rank's process while it works, and says why it must be ended."""

import asyncio
import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from training.contract.errors import LESS_MEMORY
from training.contract.files import DEBUG
from training.gang.config import GangConfig
from training.gang.health import LastHeartbeat, MemoryGuard, Silence
from training.gang.judge import SILENT, STUCK
from training.gang.link import BEAT

_DUMP = 3.0
"""Seconds that a silent trainer has to dump its stacks."""


@dataclass(frozen=True)
class Problem:
    """Why the process is killed: for its report."""

    code: str
    message: str
    remedy: str = ""


@dataclass(frozen=True)
class Watcher:
    """Of one rank, for one attempt."""

    config: GangConfig
    rank: int
    run_dir: Path
    heartbeat: Callable[[], LastHeartbeat | None]
    heard: Callable[[], float]
    """When the process printed its last line, by the monotonic clock."""

    async def problem(self) -> Problem:
        """Returns once there is one."""
        silence, guard = Silence(self.config.silence_seconds), MemoryGuard(self.config.memory_floor)
        while True:
            await asyncio.sleep(BEAT)
            heartbeat = self.heartbeat()
            if (why := guard.look()) is not None:
                return Problem(
                    "memory_guard",
                    f"stopped before the machine would freeze: {why}",
                    f"{LESS_MEMORY}, or end what else holds memory on this machine.",
                )
            if (silent := silence.look(heartbeat)) is not None:
                step = heartbeat.step + 1 if heartbeat else 0
                return await self._silent(
                    heartbeat, f"no heartbeat for {silent:.0f} s in step {step}"
                )
            if (mute := self._mute_before_step_1(heartbeat)) is not None:
                return await self._silent(heartbeat, f"no line for {mute:.0f} s before step 1")

    def _mute_before_step_1(self, heartbeat: LastHeartbeat | None) -> float | None:
        """Seconds without a line of output, once that is too long; it may load for hours."""
        limit = self.config.start_seconds
        if limit is None or (heartbeat is not None and heartbeat.training):
            return None
        mute = time.monotonic() - self.heard()
        return mute if mute > limit else None

    async def _silent(self, heartbeat: LastHeartbeat | None, why: str) -> Problem:
        shown = await self._dump(heartbeat)
        stuck = not shown and heartbeat is not None and heartbeat.pid is not None
        return Problem(
            STUCK if stuck else SILENT,
            why + (", and no answer to a signal" if stuck else ""),
            "debug/ in the run folder shows where each rank stood." if shown or stuck else "",
        )

    async def _dump(self, heartbeat: LastHeartbeat | None) -> bool:
        """Have the trainer write its stacks (training/ranks/stack_dump.py); whether it did."""
        file = self.run_dir / DEBUG / f"stacks-rank{self.rank}.txt"
        before = file.stat().st_size if file.exists() else 0
        if heartbeat is None or heartbeat.pid is None:
            return False
        try:
            os.kill(heartbeat.pid, signal.SIGUSR1)
        except OSError:
            return False
        end = time.monotonic() + _DUMP
        while time.monotonic() < end:
            if file.exists() and file.stat().st_size > before:
                return True
            await asyncio.sleep(0.1)
        return False
