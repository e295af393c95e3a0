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
        self._stderr = tempfile.TemporaryFile("a+b")  # noqa: SIM115 - close() does
        self.socket, theirs = socket.socketpair()
        with theirs:
            self._process = start(f"exec {command}", theirs.fileno(), theirs.fileno(), self._stderr)

    @property
    def stderr(self) -> str:
        """The last lines of its standard error."""
        self._stderr.seek(0)
        return "\n".join(self._stderr.read().decode(errors="replace").splitlines()[-5:])

    def close(self) -> None:
        """End it and all that it started."""
        self.socket.close()
        end(self._process)
        self._stderr.close()
