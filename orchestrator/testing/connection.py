"""A connection to no machine: it answers as told and remembers what it was asked."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field

from orchestrator.node.connection import Completed, Pipe, Stream
from orchestrator.node.escalate import body

Answer = Callable[[str], Completed | str]


@dataclass
class FakeConnection:
    """Answers every script with `answer(script)`; a string is the output of a success.

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
        if isinstance(reply, Completed):
            return reply
        mark = re.match(r"echo (sparkctl-\w+)\n", script)
        output = f"{mark[1]}\n{reply}" if mark else reply
        return Completed(0, (self.noise + output).encode(), b"")

    def open(self, command: str, first: bytes) -> Stream:
        self.opened.append(command)
        raise ConnectionError("a fake connection has no streams")

    def tunnel(self, host: str, port: int) -> Pipe:
        raise ConnectionError("a fake connection leads nowhere")

    def close(self) -> None:
        self.closed = True
