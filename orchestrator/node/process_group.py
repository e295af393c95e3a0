"""Commands on this computer, each in a group of its own."""

import contextlib
import os
import signal
import subprocess
from typing import IO

_GRACE = 2.0  # seconds from the polite signal to the other one


def start(
    command: str, stdin: int, stdout: int, stderr: int | IO[bytes] | None
) -> subprocess.Popen[bytes]:
    """Start a shell command.

    Ctrl-C at the terminal does not reach it: that is ours, and lets a change come to its end.
    """
    return subprocess.Popen(
        ["sh", "-c", command], stdin=stdin, stdout=stdout, stderr=stderr, start_new_session=True
    )


def end(process: subprocess.Popen[bytes]) -> None:
    """End it and all that it started, but for what belongs to root."""
    for force in (signal.SIGTERM, signal.SIGKILL):
        # The group may be there when its first process has gone.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, force)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=_GRACE)
