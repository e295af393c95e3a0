"""Docker restarted with another daemon.json, so that whatever happens the machine keeps a Docker.

Once the file is staged and dockerd has confirmed that it can read it, everything happens in a
transient systemd unit on the machine. It continues to its end when the controller, the
connection or the login session vanish; until then it holds flock(1) on the folder of the lock:
whoever comes next waits.
"""

import re
from dataclasses import dataclass
from enum import StrEnum
from pathlib import PurePosixPath

from orchestrator.names import DAEMON_JSON, LOCK_FOLDER
from orchestrator.node.files import File, real_path
from orchestrator.node.node import Node
from orchestrator.templates import render_template

UNIT = "sparkctl-docker-restart.service"

_STARTS_WITHIN = 70  # seconds until dockerd must answer; there are at most three attempts
_UNIT_DEADLINE = 3 * _STARTS_WITHIN + 20


class Outcome(StrEnum):
    """What came of it."""

    DONE = "done"
    REFUSED = "refused"
    """dockerd does not accept the file, nothing was replaced."""
    PUT_BACK = "put back"
    """Docker did not start with the file, and runs with the one that was there."""
    DEFAULTS = "defaults"
    """Nor did it start with the one that was there, which is back; it runs without any."""
    DOWN = "down"
    """Not even that."""


@dataclass(frozen=True)
class Restart:
    """The outcome, and the lines that Docker printed."""

    outcome: Outcome
    lines: str


def restart_with(node: Node, file: File | None, *, with_folder: bool = True) -> Restart:
    """Replace daemon.json by `file` (None: remove it) and restart Docker.

    Without `with_folder` its folder goes with it, if it is empty then. Where Docker was installed
    in another way since, nobody reads the file any more: it is restored, and nothing restarted.
    """
    output = node.script(_session(file), deadline=2 * _UNIT_DEADLINE + 60)
    if not with_folder:
        node.script(f"rmdir {PurePosixPath(DAEMON_JSON).parent} 2>/dev/null || :")
    outcome, _, lines = output.partition("\n")
    # dockerd has read the copy that is beside it.
    named = re.sub(r"\.sparkctl\.\w+(\.\w+)?", "", lines)
    return Restart(Outcome(outcome), named.strip())


def _session(file: File | None) -> str:
    """The part that may die with its connection."""
    real = real_path(DAEMON_JSON)
    unit = render_template(
        "docker_restart/unit.sh.j2", real=real, lock_folder=LOCK_FOLDER, within=_STARTS_WITHIN
    )
    return render_template(
        "docker_restart/session.sh.j2",
        real=real,
        target='"$real"',
        file=file,
        folder=PurePosixPath(DAEMON_JSON).parent,
        unit=unit,
        unit_name=UNIT,
        unit_deadline=_UNIT_DEADLINE,
        done=Outcome.DONE,
        refused=Outcome.REFUSED,
        codes=_CODES,
    )


_CODES = {0: Outcome.DONE, 10: Outcome.PUT_BACK, 11: Outcome.DEFAULTS, 12: Outcome.DOWN}
"""The meaning of the unit's exit codes."""
