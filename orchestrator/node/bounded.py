"""A command that its machine ends at the deadline, whoever waits for it or does not any more."""

import math
import shlex

PATIENCE = 3.0
"""Seconds beyond the deadline until who waits may think that the machine does not end it."""

# SIGKILL, to the whole group: after a softer signal, what is deaf to it would outlive its shell.
# A machine without such a command (no coreutils, an old busybox) sets no bound.
_WRAPPER = (
    "if timeout -s KILL 1 true 2>/dev/null; then set -- timeout -s KILL {seconds}; "
    'else set --; fi; exec "$@" {command}'
)


def bounded(command: str, deadline: float) -> str:
    """The shell command that runs `command` for at most `deadline` seconds (rounded up).

    It is to be run as who the command runs as: only root ends what is root's.
    """
    wrapper = _WRAPPER.format(seconds=math.ceil(deadline), command=command)
    return f"sh -c {shlex.quote(wrapper)}"
