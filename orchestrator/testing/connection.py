"""A connection to no machine: it gives prepared answers and records what it was asked."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field

from orchestrator.node.connection import Completed, Pipe, Stream
from orchestrator.node.escalate import (
    NEEDS_PASSWORD,
    NEEDS_PASSWORD_FOR_ROOT,
    WRONG_PASSWORD,
    body,
)
from orchestrator.node.marks import Marks

Answer = Callable[[str], Completed | str | bytes]


def marks_of(command: str) -> Marks:
    """The marks that a command line prints."""
    found = re.search(r"echo (sparkctl-[0-9a-f]{16});", command)
    assert found is not None, command
    return Marks(found[1])


def printed(command: str, output: bytes) -> bytes:
    """What the machine prints when the command has this output."""
    marks = marks_of(command)
    return f"{marks.name}\n".encode() + output + f"\n{marks.end}\n".encode()


@dataclass
class FakeConnection:
    """Answers every script with `answer(script)`; a text or bytes are the output of a success.

    `scripts` holds what was run, in order: each is one round trip. `commands` and `passwords` hold
    the command line and the first line of standard input of each.
    """

    answer: Answer
    noise: str = ""
    """What the login shell prints by itself before anything else, as a talkative .bashrc does."""
    scripts: list[str] = field(default_factory=list)
    commands: list[str] = field(default_factory=list)
    passwords: list[str] = field(default_factory=list)
    opened: list[str] = field(default_factory=list)
    closed: bool = False

    def run(self, command: str, stdin: bytes, *, deadline: float) -> Completed:
        password, script = stdin.partition(b"\n")[0].decode(), body(stdin).decode()
        self.commands.append(command)
        self.passwords.append(password)
        self.scripts.append(script)
        reply = self.answer(script)
        if isinstance(reply, str):
            reply = reply.encode()
        if isinstance(reply, bytes):
            reply = Completed(0, reply, b"")
        if reply.code in (NEEDS_PASSWORD, NEEDS_PASSWORD_FOR_ROOT, WRONG_PASSWORD):
            return reply  # nothing is begun
        output = self.noise.encode() + printed(command, reply.stdout)
        return Completed(reply.code, output, reply.stderr)

    def open(self, command: str, first: bytes) -> Stream:
        self.opened.append(command)
        raise ConnectionError("a fake connection has no streams")

    def tunnel(self, host: str, port: int) -> Pipe:
        raise ConnectionError("a fake connection leads nowhere")

    def close(self) -> None:
        self.closed = True
