"""Two laptops, one at a time: a lock on every machine for as long as something is changed.

A folder below /run on the machine, and in it who holds it, for the other one to read. The holder
touches it every few seconds; one that was not touched for `STALE` seconds belongs to somebody who
is gone, and is taken over. A restart of Docker that outlives its controller is waited for.
"""

import base64
import getpass
import json
import os
import secrets
import shlex
import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime

from orchestrator.errors import LockedError, SparkctlError
from orchestrator.node.node import Node
from orchestrator.node.parallel import on_each

STALE = 60
"""Seconds without a sign of life, by the machine's own clock."""

BEAT = 10.0
"""Seconds between two signs of life."""


@dataclass(frozen=True)
class Owner:
    """Who holds a lock. Nothing in it is secret."""

    user: str
    host: str
    pid: int
    command: str
    since: str
    token: str

    def __str__(self) -> str:
        return f"{self.user}@{self.host} (pid {self.pid}), `{self.command}`, since {self.since}"


@dataclass(frozen=True)
class Held:
    """A lock that was found, and the seconds since its holder's last sign of life."""

    owner: Owner | None
    silent: int

    def __str__(self) -> str:
        return f"{self.owner or 'somebody'}, last sign of life {self.silent} s ago"


def this_owner(command: str) -> Owner:
    """This process."""
    since = datetime.now(UTC).isoformat(timespec="seconds")
    return Owner(
        getpass.getuser(), socket.gethostname(), os.getpid(), command, since, secrets.token_hex(8)
    )


@contextmanager
def locked(nodes: Mapping[str, Node], folder: str, owner: Owner) -> Iterator[None]:
    """Hold the lock of all nodes. Raises LockedError, and holds none, when one is taken.

    Taken in the order of names, which is the same for everybody: two who want the same machines
    never wait for each other.
    """
    taken: list[Node] = []
    over = threading.Event()
    beating = threading.Thread(target=_beat, args=(taken, folder, over), daemon=True)
    try:
        for name in sorted(nodes):
            _take(nodes[name], folder, owner)
            taken.append(nodes[name])
        beating.start()
        yield
    finally:
        over.set()
        if beating.is_alive():
            beating.join()
        for node in taken:
            with suppress(SparkctlError):  # out of reach: the lock goes stale by itself
                node.script(_RELEASE.format(lock=_path(folder), token=owner.token))


def read_locks(nodes: Mapping[str, Node], folder: str) -> dict[str, Held | None]:
    """The lock of every node, or None where it is free."""
    script = _READ.format(lock=_path(folder))
    return on_each(nodes, lambda name: _held(nodes[name].script(script)))


def break_locks(nodes: Mapping[str, Node], folder: str) -> None:
    """Remove the locks, whoever holds them."""
    script = _BREAK.format(lock=_path(folder))
    on_each(nodes, lambda name: nodes[name].script(script))


def _take(node: Node, folder: str, owner: Owner) -> None:
    content = base64.b64encode(json.dumps(asdict(owner)).encode()).decode()
    script = _TAKE.format(lock=_path(folder), stale=STALE, owner=content)
    held = _held(node.script(script, deadline=270))
    if held is not None:
        raise LockedError(
            f"{node.name} is being changed by somebody else; nothing was changed",
            details=str(held),
            resolution=f"Wait for it. A holder that is gone loses the lock after {STALE} s; "
            "`sparkctl cluster lock break` takes it away at once.",
            node=node.name,
        )


def _beat(taken: list[Node], folder: str, over: threading.Event) -> None:
    while not over.wait(BEAT):
        for node in list(taken):
            with suppress(SparkctlError):
                node.script(f"touch -c {_path(folder)}/owner", deadline=BEAT)


def _held(output: str) -> Held | None:
    """What the scripts print: nothing, or the seconds of silence and the owner's file."""
    if not output.strip():
        return None
    silent, _, text = output.partition("\n")
    try:
        return Held(Owner(**json.loads(text)), int(silent))
    except (ValueError, TypeError):  # between mkdir and the writing of the owner
        return Held(None, int(silent) if silent.strip().isdecimal() else 0)


def _path(folder: str) -> str:
    return shlex.quote(f"{folder}/lock")


# Looking and taking are one step, among ourselves, under flock(1) on the folder; a Docker restart
# whose controller has died holds it too, for four minutes at the most. The folder may have
# been removed by a release while we waited for it, hence the comparison.
_ENTER = """\
lock={lock}
folder=${{lock%/*}}
touched() {{ stat -c %Y "$lock/owner" 2>/dev/null || stat -c %Y "$lock"; }}
silent() {{ echo $(( $(date +%s) - $(touched) )); }}
until [ -d "$folder" ] &&
      [ "$(stat -c %i "$folder" 2>/dev/null)" = "$(stat -Lc %i /proc/self/fd/9 2>/dev/null)" ]; do
  mkdir -p "$folder"
  exec 9<"$folder" && flock -w 240 9 || {{
    echo "something still goes on there; it holds flock(1) on $folder" >&2
    exit 1
  }}
done
"""

_TAKE = (
    _ENTER
    + """\
if [ -d "$lock" ] && [ "$(silent)" -lt {stale} ]; then
  silent
  cat "$lock/owner" 2>/dev/null || :
  exit 0
fi
set -e
rm -rf "$lock"
mkdir "$lock"
echo {owner} | base64 -d >"$lock/owner"
"""
)

_READ = """\
lock={lock}
[ ! -d "$lock" ] || {{
  echo $(( $(date +%s) - $(stat -c %Y "$lock/owner" 2>/dev/null || stat -c %Y "$lock") ))
  cat "$lock/owner" 2>/dev/null || :
}}
"""

_RELEASE = (
    _ENTER
    + """\
grep -qs {token} "$lock/owner" && rm -rf "$lock"
rmdir "$folder" 2>/dev/null || :
"""
)

_BREAK = (
    _ENTER
    + """\
rm -rf "$lock"
rmdir "$folder" 2>/dev/null || :
"""
)
