"""Who holds a lock, and whether that is a process of this computer that has died."""

import getpass
import os
import secrets
import socket
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path


@dataclass(frozen=True)
class Owner:
    """A process. Nothing in it is secret."""

    user: str
    host: str
    pid: int
    command: str
    since: str
    token: str
    computer: str = ""
    """This boot of the computer, and what its process numbers count in; empty: not known."""
    started: str = ""
    """When the process began, in clock ticks after the boot: a number is given to many."""

    def __str__(self) -> str:
        return f"{self.user}@{self.host} (pid {self.pid}), `{self.command}`, since {self.since}"


def this_owner(command: str) -> Owner:
    """The owner for this process."""
    return Owner(
        user=getpass.getuser(),
        host=socket.gethostname(),
        pid=os.getpid(),
        command=command,
        since=datetime.now(UTC).isoformat(timespec="seconds"),
        token=secrets.token_hex(8),
        computer=_computer(),
        started=_started(os.getpid()),
    )


def is_dead(owner: Owner) -> bool:
    """Whether it was a process of this user on this very computer, and has ended.

    False where that cannot be known: on another computer, or without /proc.
    """
    here = (_computer(), getpass.getuser())
    if not here[0] or not owner.started or (owner.computer, owner.user) != here:
        return False
    return _started(owner.pid) != owner.started


def _computer() -> str:
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{boot} {Path('/proc/self/ns/pid').readlink()}"
    except OSError:
        return ""


def _started(pid: int) -> str:
    """Empty for a process that is not there, or has ended and not been waited for yet."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    state, *fields = stat.rpartition(")")[2].split()
    return "" if state in "ZX" else fields[18]
