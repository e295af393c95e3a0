"""The channels of one connection: not more at once than sshd gives, and each begins in time."""

import threading
import time
import weakref
from collections.abc import Callable
from typing import IO, Any

from orchestrator.node.ssh_library import paramiko

_REFUSED = 0.05  # seconds until sshd is asked again for a channel that it did not give

AT_ONCE = 8
"""Of the 10 that sshd allows by default (MaxSessions)."""


class Channel:
    """A running command; closing it gives its place to the next."""

    def __init__(self, inner: paramiko.Channel, give_back: Callable[[], None]) -> None:
        self.inner = inner
        # Also when nobody closes it: then the inner channel goes with its last reader.
        self._give_back = weakref.finalize(inner, give_back)

    def sendall(self, data: bytes, /) -> None:
        self.inner.sendall(data)

    def recv(self, size: int, /) -> bytes:
        return self.inner.recv(size)

    def shutdown_write(self) -> None:
        self.inner.shutdown_write()

    def makefile(self, mode: str = "r", buffering: int = -1) -> IO[Any]:
        return self.inner.makefile(mode, buffering)  # type: ignore[return-value]

    def settimeout(self, seconds: float | None, /) -> None:
        self.inner.settimeout(seconds)

    def wait_closed(self, seconds: float) -> None:
        """Until the machine, too, is done with it; sshd gives its place away only then."""
        with self.inner.out_buffer_cv:
            self.inner.out_buffer_cv.wait_for(lambda: self.inner.closed, seconds)

    def close(self) -> None:
        self.inner.close()
        self._give_back()


class Channels:
    """Opens channels of a transport, and lets wait who comes when all are taken."""

    def __init__(self, transport: paramiko.Transport, timeout: float) -> None:
        """`timeout` (seconds) is for the machine to open a channel, and to start a command."""
        self._transport = transport
        self._timeout = timeout
        self._free = threading.BoundedSemaphore(AT_ONCE)

    def start(self, command: str, timeout: float) -> Channel:
        """Start a command.

        Raises TimeoutError when no channel comes free within `timeout` seconds, SSHException or
        EOFError when the machine does not answer.
        """
        if not self._free.acquire(timeout=max(0.0, timeout)):
            raise TimeoutError(f"all {AT_ONCE} channels were busy for {timeout:.0f} s")
        try:
            inner = self._open()
        except BaseException:
            self._free.release()
            raise
        channel = Channel(inner, self._free.release)
        try:
            self._execute(inner, command)
        except BaseException:
            channel.close()
            raise
        return channel

    def _open(self) -> paramiko.Channel:
        """sshd counts a command that we have left as long as it lives: then it refuses."""
        end = time.monotonic() + self._timeout
        while True:
            try:
                return self._transport.open_session(timeout=self._timeout)
            except paramiko.SSHException:  # of two that are refused, one gets no reason
                if time.monotonic() > end or not self._transport.is_active():
                    raise
                time.sleep(_REFUSED)

    def _execute(self, inner: paramiko.Channel, command: str) -> None:
        # paramiko waits for the answer without end; a closed channel is one.
        began = time.monotonic()
        guard = threading.Timer(self._timeout, inner.close)
        guard.daemon = True
        guard.start()
        try:
            inner.exec_command(command)
        except paramiko.SSHException:
            if time.monotonic() - began < self._timeout:
                raise
            raise paramiko.SSHException(f"no answer within {self._timeout:g} s") from None
        finally:
            guard.cancel()
