"""The process of a rank: an entry point that becomes the trainer, or starts it."""

import asyncio
import os
import signal
import traceback
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

_LINE = 2**20  # bytes; a longer one is cut into lines of this size
_POLL_INTERVAL = 0.05
"""Seconds between two checks whether it has exited."""
_OOM_SCORE = "900"
"""When the kernel must kill, it is the trainer: neither sshd nor dockerd nor the supervisor."""


class Child:
    """Started by `start`; every line of its two streams goes to a listener."""

    def __init__(self, process: asyncio.subprocess.Process, readers: list["asyncio.Task[None]"]):
        """Use `start`."""
        self._process = process
        self._readers = readers
        self._left = _Descendants(process.pid)

    @classmethod
    async def start(
        cls, command: Sequence[str], environ: Mapping[str, str], line: Callable[[str], None]
    ) -> "Child":
        """Raises OSError when there is no such program."""
        process = await asyncio.create_subprocess_exec(
            *command,
            env=environ,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            start_new_session=True,
        )
        with suppress(OSError):  # it may be over already
            Path(f"/proc/{process.pid}/oom_score_adj").write_text(_OOM_SCORE)
        streams = [stream for stream in (process.stdout, process.stderr) if stream]
        return cls(process, [asyncio.create_task(_read(stream, line)) for stream in streams])

    async def wait(self) -> int:
        """Exit status, or 128 + signal; all that it wrote has been read then.

        What it left running goes: an engine's launcher that is killed leaves its trainer behind,
        which would hold the GPU, and the streams open.
        """
        watching = asyncio.create_task(self._left.watch())
        # Not asyncio's wait(): before Python 3.13 it waits for the end of the streams as well.
        while (code := self._process.returncode) is None:
            await asyncio.sleep(_POLL_INTERVAL)
        watching.cancel()
        self._left.kill()
        await asyncio.wait(self._readers, timeout=5)
        return code if code >= 0 else 128 - code

    def terminate(self) -> None:
        """SIGTERM: the trainer saves after the current step."""
        with suppress(ProcessLookupError):
            self._process.terminate()

    def kill(self) -> None:
        """SIGKILL to it and to all that it started; `wait` returns soon after."""
        self._left.look()
        with suppress(ProcessLookupError):
            self._process.kill()
        self._left.kill()


class _Descendants:
    """Processes below one, remembered from before it ended: afterwards nobody knows their origin.

    A process is its number and the time it was started: numbers are used again.
    """

    def __init__(self, root: int) -> None:
        self._root = root
        self._seen: dict[int, str] = {}

    async def watch(self) -> None:
        while True:
            self.look()
            await asyncio.sleep(1)

    def look(self) -> None:
        waiting = [self._root]
        while waiting:
            number = waiting.pop()
            for task in Path(f"/proc/{number}/task").glob("*/children"):
                with suppress(OSError):
                    children = [int(child) for child in task.read_text().split()]
                    self._seen |= {child: _started(child) for child in children}
                    waiting += children

    def kill(self) -> None:
        for number, started in self._seen.items():
            if started and _started(number) == started:
                with suppress(ProcessLookupError):
                    os.kill(number, signal.SIGKILL)


def _started(number: int) -> str:
    """Start time in clock ticks since boot, the 22nd field of /proc/<pid>/stat; empty: gone."""
    try:
        return Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[19]
    except OSError:
        return ""


async def _read(stream: asyncio.StreamReader, line: Callable[[str], None]) -> None:
    """Whatever the listener does: a pipe that nobody reads would hold the process in its write."""
    rest, failed = b"", False
    while chunk := await stream.read(65536):
        *whole, rest = (rest + chunk).split(b"\n")
        if len(rest) > _LINE:
            whole, rest = [*whole, rest], b""
        for one in whole:
            try:
                line(one.decode("utf-8", "replace"))
            except Exception:
                if not failed:
                    failed = True
                    traceback.print_exc()
    if rest:
        line(rest.decode("utf-8", "replace"))
