"""The machine that one sits at, spoken to without SSH."""

import contextlib
import io
import socket
import subprocess
from dataclasses import dataclass, field
from typing import Any

from orchestrator.errors import ConnectError
from orchestrator.node.connection import Completed, Pipe, Stream

_TIMEOUT = 10.0  # seconds


class _Reader(io.BufferedReader):
    """A socket's file that names its channel, where the Docker SDK looks for it."""

    channel: "_LocalStream"


class _LocalStream(socket.socket):
    def makefile(self, *_: Any, **__: Any) -> Any:
        reader = _Reader(super().makefile("rb", buffering=0))
        reader.channel = self
        return reader


@dataclass
class LocalConnection:
    """Commands as child processes."""

    _children: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def run(self, command: str, stdin: bytes, *, deadline: float) -> Completed:
        try:
            done = subprocess.run(
                ["sh", "-c", command], input=stdin, capture_output=True, timeout=deadline
            )
        except subprocess.TimeoutExpired:
            raise TimeoutError from None
        return Completed(done.returncode, done.stdout, done.stderr)

    def open(self, command: str, first: bytes) -> Stream:
        ours, theirs = socket.socketpair()
        with theirs:
            child = subprocess.Popen(
                ["sh", "-c", command],
                stdin=theirs.fileno(),
                stdout=theirs.fileno(),
                stderr=subprocess.DEVNULL,
            )
        self._children.append(child)
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
        for child in self._children:
            child.terminate()
        for child in self._children:
            child.wait(timeout=10)
        self._children.clear()
