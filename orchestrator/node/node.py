"""One machine, as everything above sees it: scripts as root, and its Docker Engine."""

import shlex
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import IO, TYPE_CHECKING

from orchestrator.errors import PasswordNeededError, RemoteError, SparkctlError, SudoError
from orchestrator.node.bounded import PATIENCE, bounded
from orchestrator.node.connection import Completed, Connection, Stream
from orchestrator.node.escalate import (
    NEEDS_PASSWORD,
    NEEDS_PASSWORD_FOR_ROOT,
    WRONG_PASSWORD,
    Privilege,
    escalated,
    escalated_with_password,
    head,
)
from orchestrator.node.fence import LOST, Fence, lost
from orchestrator.node.marks import Marks

if TYPE_CHECKING:
    from docker import DockerClient

_BEGINS = 60.0
"""Seconds that a stream may take to begin."""


@dataclass
class Node:
    """A connected machine. Not thread-safe for `reset_docker`; everything else is."""

    name: str
    connection: Connection
    sudo_password: str | None = field(default=None, repr=False)
    """Sent only after this machine has asked for one."""
    reopen: Callable[[], Connection] | None = field(default=None, repr=False)
    """Connects again, the same way."""
    fence: Fence | None = None
    """While a lock is held: no script, and no change over Docker's API, without it."""
    _docker: "DockerClient | None" = field(default=None, repr=False)
    _wants: dict[Privilege, bool] = field(default_factory=dict, repr=False)
    """Whether this privilege takes a password there, once known."""
    _tried: bool = field(default=False, repr=False)

    @property
    def sudo_asks(self) -> bool | None:
        """Whether root takes a password there; None before anything was run as root."""
        return self._wants.get("root")

    def script(self, script: str, *, need: Privilege = "root", deadline: float = 60.0) -> str:
        """What `output` returns, as text: what is not UTF-8 is replaced."""
        return self.output(script, need=need, deadline=deadline).decode(errors="replace")

    def output(self, script: str, *, need: Privilege = "root", deadline: float = 60.0) -> bytes:
        """Run a POSIX shell script as root and return what it printed.

        With `need="docker"` it runs as the login user where that user may use Docker.

        The script travels on standard input (nothing of it shows in the process list). Raises
        RemoteError when it exits non-zero, has not run, or passes its deadline (seconds), where the
        machine ends it; SudoError when there is no root.
        """
        body = f"{{\n{self._fenced(script, need)}\n}} </dev/null\n"
        done = self._run("sh -s", body.encode(), need=need, deadline=deadline)
        if done.code:
            raise RemoteError(
                f"a step on {self.name} failed (exit code {done.code})",
                details=_tail(done.stderr) or _tail(done.stdout),
                node=self.name,
            )
        return done.stdout

    def docker_cli(self, *args: str, stdin: bytes = b"", deadline: float = 60.0) -> str:
        """Run the `docker` command of the machine; for what the API does not have."""
        command = shlex.join(["docker", *args])
        self.check_fence()
        done = self._run(command, stdin, need="docker", deadline=deadline)
        if done.code:
            raise RemoteError(
                f"`{command}` on {self.name} failed (exit code {done.code})",
                details=_tail(done.stderr),
                node=self.name,
            )
        return done.stdout.decode(errors="replace")

    def check_fence(self) -> None:
        """Raise LockLostError when the lock that this node is changed under is not ours any more.

        Scripts and API calls do it by themselves.
        """
        if self.fence is not None:
            self.script(":", need=self.fence.need)

    @contextmanager
    def reading(self, script: str, *, silence: float) -> Iterator[IO[bytes]]:
        """What a script prints, while it prints it: for more than memory should hold.

        It runs as `script(…, need="docker")` does, but nobody learns its exit code. Reading raises
        TimeoutError when nothing comes for `silence` seconds.
        """
        stream = self._open("sh -s", f"{script}\nexit\n".encode())
        try:
            stream.settimeout(silence)
            with stream.makefile("rb") as file:
                yield file
        finally:
            stream.close()

    @property
    def docker(self) -> "DockerClient":
        """The Docker SDK, speaking through this node's own connection."""
        if self._docker is None:
            # A quarter of a second, which only who needs it waits for.
            from orchestrator.node.docker_client import docker_over

            self._docker = docker_over(self._dial, self.name, self.check_fence)
        return self._docker

    def reset_docker(self) -> None:
        """Forget open API connections: after dockerd restarted they lead nowhere."""
        if self._docker is not None:
            self._docker.close()
            self._docker = None

    def reconnect(self) -> None:
        """A new connection: the machine was rebooted, or the way to it was cut.

        Raises ConnectError. Where nobody knows the way (in tests) the old one is kept.
        """
        if self.reopen is not None:
            self.close()
            self.connection = self.reopen()

    def close(self) -> None:
        """End the connection."""
        self.reset_docker()
        self.connection.close()

    def docker_stream(self, *args: str) -> Stream:
        """Start the `docker` command of the machine and speak with it."""
        return self._open(shlex.join(["docker", *args]))

    def _dial(self) -> Stream:
        return self.docker_stream("system", "dial-stdio")

    def _fenced(self, script: str, need: Privilege) -> str:
        if self.fence is None:
            return script
        if self.fence.allows(need):
            return f"{self.fence.check}\n{script}"
        self.check_fence()
        return script

    def _open(self, command: str, stdin: bytes = b"") -> Stream:
        if self.sudo_password and "docker" not in self._wants:
            self._run("true", b"", need="docker", deadline=60.0)  # a stream has no exit code
        marks = Marks.new()
        wrapped, before = self._wrapped(
            marks.before(command), "docker", self._with_password("docker")
        )
        stream = self.connection.open(wrapped, before + stdin)
        try:
            stream.settimeout(_BEGINS)
            begins = marks.skip(stream)
            if not begins.begun:
                self._run("true", b"", need="docker", deadline=60.0)  # it gives the reason
                raise self._not_run(begins.output)
        except TimeoutError:
            stream.close()
            raise self._late(command, _BEGINS, "It has not begun.") from None
        except BaseException:
            stream.close()
            raise
        return stream

    def _with_password(self, need: Privilege) -> bool:
        return bool(self.sudo_password) and self._wants.get(need, False)

    def _wrapped(self, command: str, need: Privilege, with_password: bool) -> tuple[str, bytes]:
        """The command line, and what goes before the command's own input."""
        if not with_password:
            return escalated(command, need), head(None, tried=False)
        tried = self._tried
        wrapped = escalated_with_password(command, tried=tried)
        return wrapped, head(self.sudo_password, tried=tried)

    def _run(self, command: str, stdin: bytes, *, need: Privilege, deadline: float) -> Completed:
        with_password, marks = self._with_password(need), Marks.new()
        around = bounded(marks.around(command), deadline)
        wrapped, before = self._wrapped(around, need, with_password)
        began = time.monotonic()
        try:
            done = self.connection.run(wrapped, before + stdin, deadline=deadline + PATIENCE)
        except TimeoutError:
            raise self._late(
                command, deadline, "The machine did not end it: it may still run."
            ) from None
        if done.code and time.monotonic() - began >= deadline:
            raise self._late(command, deadline, "The machine has ended it.")
        marked = marks.cut(done.stdout)
        if not marked.begun:
            asked = done.code in (NEEDS_PASSWORD, NEEDS_PASSWORD_FOR_ROOT)
            if asked:
                self._wants |= {"root": True, "docker": done.code == NEEDS_PASSWORD}
            if asked and self.sudo_password and not with_password:
                return self._run(command, stdin, need=need, deadline=deadline)
            raise self._refused(done)
        if with_password:
            self._tried = True
        else:
            self._wants |= {"root": False, "docker": False} if need == "root" else {need: False}
        if done.code == LOST and self.fence is not None:
            raise lost(self.name)
        if not done.code and not marked.ended:
            raise self._not_run(marked.output)
        return Completed(done.code, marked.output, done.stderr)

    def _refused(self, done: Completed) -> SparkctlError:
        """Why nothing was begun."""
        words = _tail(done.stderr)
        if done.code in (NEEDS_PASSWORD, NEEDS_PASSWORD_FOR_ROOT):
            return PasswordNeededError(
                f"sudo on {self.name} wants a password",
                details=words,
                resolution="Set SPARKCTL_SUDO_PASSWORD, or name a file in the cluster file "
                "(sudo: {password_file: …}; nodes[].sudo for one node), or run in a terminal and "
                "be asked.",
                node=self.name,
            )
        if done.code == WRONG_PASSWORD:
            return SudoError(
                f"sudo on {self.name} gives no root with the password that it was given",
                details=words,
                resolution="It was tried once. Check it with `sudo -k; sudo true` on the machine.",
                node=self.name,
            )
        return self._not_run(done.stdout + done.stderr)

    def _not_run(self, output: bytes) -> RemoteError:
        return RemoteError(
            f"{self.name} did not run what it was sent",
            details=_tail(output),
            resolution="Log in as sparkctl does and run `echo hello`. What may stand in the way: a "
            "command in authorized_keys or sshd_config (ForceCommand), a login shell that runs "
            "no commands, a .bashrc or .profile that ends the session.",
            node=self.name,
        )

    def _late(self, command: str, deadline: float, what_of_it: str) -> RemoteError:
        return RemoteError(
            f"a step on {self.name} did not end within {deadline:g} s",
            details=f"command: {command}\n{what_of_it}",
            resolution="Look at the machine (load, disk, `journalctl -u docker`), then run the "
            "same sparkctl command again: it continues where it stopped.",
            node=self.name,
        )


def _tail(output: bytes, lines: int = 12) -> str | None:
    text = output.decode(errors="replace").strip()
    return "\n".join(text.splitlines()[-lines:]) or None
