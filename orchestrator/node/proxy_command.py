"""ProxyCommand: a local command whose streams lead to a machine."""

import contextlib
import os
import signal
import socket
import subprocess
import tempfile


class ProxyCommand:
    """The command, running, and the socket that is its standard input and output.

    paramiko's own does not notice the command's end, lets it fill a pipe that nobody reads, and
    has no shell.
    """

    def __init__(self, command: str) -> None:
        self._said = tempfile.TemporaryFile("a+b")  # noqa: SIM115 - close() does
        self.socket, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(
                ["sh", "-c", f"exec {command}"],
                stdin=theirs.fileno(),
                stdout=theirs.fileno(),
                stderr=self._said,
                # Ctrl-C at the terminal is ours: it lets the change at hand come to its end.
                start_new_session=True,
            )

    @property
    def said(self) -> str:
        """The last lines of its standard error."""
        self._said.seek(0)
        return "\n".join(self._said.read().decode(errors="replace").splitlines()[-5:])

    def close(self) -> None:
        """End it and all that it started."""
        self.socket.close()
        for force in (signal.SIGTERM, signal.SIGKILL):
            with contextlib.suppress(ProcessLookupError, PermissionError):  # it has ended already
                os.killpg(self._process.pid, force)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(timeout=5)
                break
        self._said.close()
