"""Where a command's own output begins and ends, whatever a login shell prints around it.

The shell that starts the command prints both marks, behind sudo: so they prove, too, that what was
sent was run there and came to its end. A forced command of sshd, a login shell that is none or a
.bashrc that leaves may all end with exit code 0.
"""

import secrets
import shlex
from contextlib import suppress
from dataclasses import dataclass

from orchestrator.node.connection import Stream

NOISE = 2**16
"""Bytes that a login shell may print before a stream begins."""


@dataclass(frozen=True)
class Marked:
    """What came back of a command."""

    begun: bool
    output: bytes
    """The command's own; when it was not begun, all that was printed."""
    ended: bool


@dataclass(frozen=True)
class Marks:
    """A pair that nobody knows before."""

    name: str

    @classmethod
    def new(cls) -> "Marks":
        return cls(f"sparkctl-{secrets.token_hex(8)}")

    def around(self, command: str) -> str:
        """The shell command that runs `command` between the marks; the exit code is its own."""
        script = f"echo {self.name}; {command}; c=$?; echo; echo {self.end}; exit $c"
        return f"sh -c {shlex.quote(script)}"

    def before(self, command: str) -> str:
        """The same for a stream, which ends with its command and has a beginning alone."""
        return f"sh -c {shlex.quote(f'echo {self.name}; exec {command}')}"

    @property
    def end(self) -> str:
        """A line that nothing else prints."""
        return f"{self.name}-end"

    def cut(self, output: bytes) -> Marked:
        """What stands between the marks; in full lines or not, as it was printed."""
        _, begun, rest = output.partition(f"{self.name}\n".encode())
        own, ended, _ = rest.rpartition(f"\n{self.end}\n".encode())
        return Marked(bool(begun), (own if ended else rest) if begun else output, bool(ended))

    def skip(self, stream: Stream) -> Marked:
        """Read up to the beginning, and not a byte more."""
        wanted, received = f"{self.name}\n".encode(), bytearray()
        with suppress(ConnectionResetError):  # it has ended without reading what it was sent
            while len(received) <= NOISE and (byte := stream.recv(1)):
                received += byte
                if received.endswith(wanted):
                    return Marked(True, b"", False)
        return Marked(False, bytes(received), False)
