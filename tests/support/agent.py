"""A real ssh-agent that lives as long as a test."""

import os
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from orchestrator.lab.wait import until


@contextmanager
def ssh_agent(*keys: Path) -> Iterator[Path]:
    """Its socket. It holds these keys; their files may go."""
    with tempfile.TemporaryDirectory(prefix="agent-") as folder:  # a socket's path must be short
        socket = Path(folder) / "socket"
        agent = subprocess.Popen(["ssh-agent", "-D", "-a", str(socket)], stdout=subprocess.DEVNULL)
        try:
            until(socket.exists, what="ssh-agent", deadline_seconds=10)
            environment = os.environ | {"SSH_AUTH_SOCK": str(socket)}
            for key in keys:
                subprocess.run(
                    ["ssh-add", "-q", str(key)], env=environment, check=True, capture_output=True
                )
            yield socket
        finally:
            agent.terminate()
            agent.wait(timeout=10)
