"""The seam below everything: one way to run a command on one machine."""

from dataclasses import dataclass
from typing import IO, Any, Protocol


@dataclass(frozen=True)
class Completed:
    """A command that ended."""

    code: int
    stdout: bytes
    stderr: bytes


class Pipe(Protocol):
    """A two-way byte stream."""

    def sendall(self, data: bytes, /) -> object: ...
    def recv(self, size: int, /) -> bytes: ...
    def settimeout(self, seconds: float | None, /) -> None: ...
    def close(self) -> None: ...


class Stream(Pipe, Protocol):
    """One to a running command: what `http.client` needs of a socket, and the end of its input."""

    def shutdown_write(self) -> object: ...
    def makefile(self, mode: str = ..., buffering: int = ...) -> IO[Any]: ...


class Connection(Protocol):
    """One transport to one machine; everything sparkctl does there goes through it."""

    def run(self, command: str, stdin: bytes, *, deadline: float) -> Completed:
        """Run a shell command to its end.

        `deadline` is in seconds from now; past it `TimeoutError` is raised and the channel closed.
        """

    def open(self, command: str, first: bytes) -> Stream:
        """Start a command, write `first` to it, and hand over its standard input and output."""

    def tunnel(self, host: str, port: int) -> Pipe:
        """A TCP connection from the machine to there. Raises ConnectError when there is none."""

    def close(self) -> None:
        """End the transport and all that runs through it."""
