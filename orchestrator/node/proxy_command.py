"""ProxyCommand: a local command whose streams lead to a machine."""

import socket
import tempfile

from orchestrator.node.process_group import end, start


class ProxyCommand:
    """The command, running, and the socket that is its standard input and output.

    paramiko's own does not notice the command's end, lets it fill a pipe that nobody reads, and
    has no shell.
    """

    def __init__(self, command: str) -> None:
        self._said = tempfile.TemporaryFile("a+b")  # noqa: SIM115 - close() does
        self.socket, theirs = socket.socketpair()
        with theirs:
            self._process = start(f"exec {command}", theirs.fileno(), theirs.fileno(), self._said)

    @property
    def said(self) -> str:
        """The last lines of its standard error."""
        self._said.seek(0)
        return "\n".join(self._said.read().decode(errors="replace").splitlines()[-5:])

    def close(self) -> None:
        """End it and all that it started."""
        self.socket.close()
        end(self._process)
        self._said.close()
