"""Root on the machine, without a secret in argv, environment, log or journal.

The wrapper is a line of POSIX shell that reads the sudo password (perhaps empty) as the first line
of its standard input; what follows on standard input belongs to the wrapped command. `read` and
`printf` are builtins, so the password never becomes an argument of a process. A wrong password is
tried exactly once: the second attempt of sudo meets the end of the pipe.
"""

import shlex
from typing import Literal

Need = Literal["root", "docker"]

NEEDS_PASSWORD = 96
WRONG_PASSWORD = 97

_ALREADY = {
    "root": '[ "$(id -u)" = 0 ]',
    "docker": "[ -w /var/run/docker.sock ]",
}

_WRAPPER = """\
IFS= read -r p || :
if {already}; then exec {command}; fi
if sudo -kn true 2>/dev/null; then exec sudo -n -- {command}; fi
[ -n "$p" ] || exit {needs}
{tried}{{ printf '%s\\n' "$p"; exec cat; }} | sudo -kS -p '' -- {command}
"""


_TRY = "printf '%s\\n' \"$p\" | sudo -kS -p '' -- true 2>/dev/null || exit {wrong}\n"


def escalated(command: str, need: Need, *, tried: bool = False) -> str:
    """The shell command that runs `command` as root unless the login user is enough.

    `need` says when it is enough: being root, or being allowed to write to Docker's socket.
    `tried` says that the password is known to be right, which saves one check of it (85 ms).
    """
    script = _WRAPPER.format(
        already=_ALREADY[need],
        command=command,
        needs=NEEDS_PASSWORD,
        tried="" if tried else _TRY.format(wrong=WRONG_PASSWORD),
    )
    return f"sh -c {shlex.quote(script)}"


def first_line(password: str | None) -> bytes:
    """What the wrapper reads first."""
    return f"{password or ''}\n".encode()
