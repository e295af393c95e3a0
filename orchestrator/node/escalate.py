"""Root on the machine, without a secret in argv, environment, log or journal.

Two wrappers, both one line of POSIX shell without a backslash or an exclamation mark in it: login
shells of other kinds (fish, tcsh) take that line as it is and hand it to `sh`. The first needs no
password and gets none: its exit code reports that sudo wants one, and then nothing has been run.
Only then the second is used. It reads the password as the first line of its standard input; sudo
reads it once more from there, and the command gets what follows the line `sparkctl-body`: nothing
of a password reaches it, also where sudo did not ask. `read` and `printf` are builtins, so the
password never becomes an argument of a process. A wrong password is tried exactly once: the second
attempt of sudo meets a pipe's end.

No process stands between the channel and a stream's command, so the channel ends when it does.
"""

import shlex
from typing import Literal

Privilege = Literal["root", "docker"]

NEEDS_PASSWORD_FOR_ROOT = 95
"""sudo wants a password, but Docker can be used without."""
NEEDS_PASSWORD = 96
WRONG_PASSWORD = 97

_BODY = "sparkctl-body"

_ALREADY = {
    "root": '[ "$(id -u)" = 0 ]',
    "docker": "[ -w /var/run/docker.sock ]",
}

_WITHOUT = (
    "IFS= read -r p || :; "
    "if {already}; then set --; "
    "elif sudo -kn true; then set -- sudo -n --; "
    "elif {docker}; then exit {needs_for_root}; "
    "else exit {needs}; fi; "
    'exec "$@" {command}'
)

# sudo's own words, on standard error, give the reason: a password, a terminal, a rule.
_TRY = (
    "IFS= read -r p || :; {{ printf %s \"$p\"; echo; }} | sudo -kS -p '' -- true || exit {wrong}; "
)

_WITH = "exec sudo -kS -p '' -- sh -c {skip}"
_SKIP = f'while IFS= read -r l; do if [ "$l" = {_BODY} ]; then exec {{command}}; fi; done; exit 1'


def escalated(command: str, need: Privilege) -> str:
    """The shell command that runs `command` as root unless the login user is enough.

    `need` is what is enough: being root, or being allowed to write to Docker's socket. Where
    that takes a password it exits with one of the two codes for it and runs nothing.
    """
    return _shell(
        _WITHOUT.format(
            already=_ALREADY[need],
            docker=_ALREADY["docker"],
            command=command,
            needs=NEEDS_PASSWORD,
            needs_for_root=NEEDS_PASSWORD_FOR_ROOT,
        )
    )


def escalated_with_password(command: str, *, tried: bool) -> str:
    """The same, where sudo is known to want one.

    `tried`: the password is known to be right, which saves one check of it (85 ms).
    """
    skip = shlex.quote(_SKIP.format(command=command))
    return _shell(("" if tried else _TRY.format(wrong=WRONG_PASSWORD)) + _WITH.format(skip=skip))


def head(password: str | None, *, tried: bool) -> bytes:
    """What comes before the command's own input; None: what `escalated` expects."""
    if password is None:
        return b"\n"
    times = 1 if tried else 2
    return f"{password}\n".encode() * times + f"{_BODY}\n".encode()


def body(stdin: bytes) -> bytes:
    """The command's own input, of what was sent to either wrapper."""
    first, _, rest = stdin.partition(b"\n")
    return rest.partition(f"{_BODY}\n".encode())[2] if first else rest


def _shell(script: str) -> str:
    return f"sh -c {shlex.quote(script)}"
