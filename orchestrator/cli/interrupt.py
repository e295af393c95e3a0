"""Ctrl-C, SIGTERM, SIGHUP: finish or name what has begun, and exit in time.

The first one interrupts what the main thread does; then everything is cleaned up, within
`LEAVES_WITHIN` seconds, whatever hangs. The second one ends the process at once.
"""

import os
import signal
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from types import FrameType
from typing import TYPE_CHECKING

from orchestrator.errors import StoppedError
from orchestrator.ui.plain import one_line

if TYPE_CHECKING:  # every command reads this file
    from orchestrator.api.cluster import Change, CurrentChanges

LEAVES_WITHIN = 5.0
"""Seconds from the first signal."""

_TICK = 0.5  # seconds

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


Handler = Callable[[int, FrameType | None], object]


class Interrupted(KeyboardInterrupt):
    """A signal that asks the process to end; only `main` catches it for good."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


@dataclass
class Signalled:
    """Which signal has come, and when (seconds of the monotonic clock)."""

    number: int | None = None
    at: float = 0.0

    @property
    def exit_code(self) -> int:
        """As a shell reports it of a process that a signal ended; that of Ctrl-C when none came."""
        return 128 + (self.number or signal.SIGINT)


@contextmanager
def interruptible() -> Iterator[Signalled]:
    """Until its end a signal raises Interrupted here, once."""
    seen = Signalled()

    def first(number: int, frame: FrameType | None) -> None:
        seen.number, seen.at = number, time.monotonic()
        _handle(lambda number, frame: os._exit(seen.exit_code))
        raise Interrupted(number)

    def tick(number: int, frame: FrameType | None) -> None:
        if seen.number is not None and time.monotonic() - seen.at > LEAVES_WITHIN:
            os._exit(seen.exit_code)

    # Without it a signal that comes in the moment before this thread begins to wait for a lock is
    # handled when it has got the lock, which may be never.
    before = signal.signal(signal.SIGALRM, tick)
    signal.setitimer(signal.ITIMER_REAL, _TICK, _TICK)
    try:
        with _handled(first):
            yield seen
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@contextmanager
def ended_by_ctrl_c() -> Iterator[None]:
    """Ctrl-C is how a person ends what is in here; another signal ends the command as always."""
    try:
        yield
    except KeyboardInterrupt as stopped:
        if isinstance(stopped, Interrupted) and stopped.number != signal.SIGINT:
            raise


@contextmanager
def stopped_by_interrupt(current: "CurrentChanges") -> Iterator[None]:
    """Until its end, the first signal lets the current changes finish and no other begin. Where
    there is no current change it is as everywhere else. The second signal prints what is left
    unfinished."""
    before: dict[int, Handler] = {}
    seen = Signalled()

    def first(number: int, frame: FrameType | None) -> None:
        changes = current.stop()
        if not changes:
            before[number](number, frame)
            return
        seen.number = number
        _handle(second)
        _print_line(f"stopping when this is done: {_named(changes)}\nCtrl-C again stops at once")

    def second(number: int, frame: FrameType | None) -> None:
        changes = current.stop()
        _print_line(f"left in the middle: {_named(changes)}" if changes else "stopped")
        os._exit(128 + number)

    try:
        with _handled(first) as found:
            before.update(found)
            yield
    except StoppedError as stopped:
        stopped.exit_code = seen.exit_code
        raise


def leave(code: int) -> None:
    """End the process without waiting for threads that still wait for a machine."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            stream.flush()
    os._exit(code)


@contextmanager
def _handled(handler: Handler) -> Iterator[dict[int, Handler]]:
    """Gives the handlers of before, which come back at the end."""
    before = _handle(handler)
    try:
        yield before
    finally:
        for number, former in before.items():
            signal.signal(number, former)


def _handle(handler: Handler) -> dict[int, Handler]:
    """A signal that whoever started us wants ignored (`nohup`) stays so."""
    found = {number: signal.getsignal(number) for number in _SIGNALS}
    handled = {number: former for number, former in found.items() if former != signal.SIG_IGN}
    for number in handled:
        signal.signal(number, handler)
    return handled  # type: ignore[return-value]


def _named(changes: Iterable["Change"]) -> str:
    return "; ".join(f"{change.id}: {change.summary}" for change in changes)


def _print_line(text: str) -> None:
    """Not through a stream: the signal may have come while this very thread was writing to it."""
    lines = "\n".join(one_line(line) for line in text.splitlines())
    with suppress(OSError):
        os.write(2, f"\n{lines}\n".encode())
