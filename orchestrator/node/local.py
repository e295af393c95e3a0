"""The machine that one sits at, spoken to without SSH."""

import contextlib
import io
import socket
import subprocess
from dataclasses import dataclass, field
from typing import Any

from orchestrator.errors import ConnectError
from orchestrator.node.connection import Completed, Pipe, Stream
from orchestrator.node.process_group import end, start

_TIMEOUT = 10.0  # seconds


class _Reader(io.BufferedReader):
    """A socket's file that names its channel, where the Docker SDK looks for it."""

    channel: "_LocalStream"


class _LocalStream(socket.socket):
    def shutdown_write(self) -> None:
        self.shutdown(socket.SHUT_WR)

    def makefile(self, *_: Any, **__: Any) -> Any:
        reader = _Reader(super().makefile("rb", buffering=0))
        reader.channel = self
        return reader


@dataclass
class LocalConnection:
    """Commands as child processes."""

    _children: list[subprocess.Popen[bytes]] = field(default_factory=list)
    _closed: bool = False

    def run(self, command: str, stdin: bytes, *, deadline: float) -> Completed:
        child = start(command, subprocess.PIPE, subprocess.PIPE, subprocess.PIPE)
        self._keep(child)
        try:
            stdout, stderr = child.communicate(stdin, timeout=deadline)
        except BaseException as error:
            end(child)
            for pipe in (child.stdin, child.stdout, child.stderr):
                with contextlib.suppress(OSError):  # what was still to be written
                    pipe.close()  # type: ignore[union-attr]
            if isinstance(error, subprocess.TimeoutExpired):
                raise TimeoutError from None
            raise
        finally:
            with contextlib.suppress(ValueError):  # the connection was closed meanwhile
                self._children.remove(child)
        return Completed(child.returncode, stdout, stderr)

    def open(self, command: str, first: bytes) -> Stream:
        ours, theirs = socket.socketpair()
        with theirs:
            child = start(command, theirs.fileno(), theirs.fileno(), subprocess.DEVNULL)
        self._keep(child)
        with contextlib.suppress(BrokenPipeError):  # it has ended already: a stream at its end
            ours.sendall(first)
        return _LocalStream(fileno=ours.detach())

    def tunnel(self, host: str, port: int) -> Pipe:
        try:
            return socket.create_connection((host, port), _TIMEOUT)
        except OSError as refused:
            raise ConnectError(
                f"no connection to {host}:{port}", details=refused.strerror or str(refused)
            ) from None

    def close(self) -> None:
        self._closed = True
        while self._children:
            end(self._children.pop())

    def _keep(self, child: subprocess.Popen[bytes]) -> None:
        self._children.append(child)
        if self._closed:  # meanwhile, by another thread
            end(child)
