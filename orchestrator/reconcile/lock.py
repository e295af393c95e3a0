"""Two laptops, one at a time: a lock on every machine for as long as something is changed.

A folder below /run on the machine, and in it who holds it, for the other one to read. The holder
touches it every few seconds; one that was not touched for `STALE` seconds belongs to somebody who
is gone, and is taken over; so is that of a dead process of this computer, at once. A holder that
slept does not know that: so every change first looks whether the lock is still its own
(`node.fence`). A restart of Docker that outlives its controller is waited for.
"""

import base64
import json
import shlex
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

from orchestrator.errors import LockedError, LockLostError, SparkctlError
from orchestrator.names import LAUNCH_FOLDER, LOCK_FOLDER
from orchestrator.node.escalate import Privilege
from orchestrator.node.fence import Fence
from orchestrator.node.node import Node
from orchestrator.node.parallel import begin, on_each, try_each
from orchestrator.reconcile.lock_scripts import beat, check
from orchestrator.reconcile.owner import Owner, is_dead
from orchestrator.templates import render_template

STALE = 60
"""Seconds without a heartbeat, by the machine's own clock."""

BEAT = 10.0
"""Seconds between two heartbeats."""


@dataclass(frozen=True)
class Place:
    """Where a lock is on a machine, and who may take it there."""

    folder: str
    need: Privilege = "root"
    make: str = "lock/for_root.sh.j2"
    """Template that makes `$folder`, or leaves it as it is."""

    @property
    def lock(self) -> str:
        """The lock itself, as a word of shell."""
        return shlex.quote(f"{self.folder}/lock")


CHANGES = Place(LOCK_FOLDER)
"""On all machines, while `cluster up` or `down` changes them."""

LAUNCH = Place(LAUNCH_FOLDER, "docker", "lock/for_docker.sh.j2")
"""On the manager, while a run is put onto the swarm, and while machines are changed."""


@dataclass(frozen=True)
class Held:
    """A lock that was found, and the seconds since its holder's last heartbeat."""

    owner: Owner | None
    silent: int

    def __str__(self) -> str:
        return f"{self.owner or 'somebody'}, last heartbeat {self.silent} s ago"


@contextmanager
def locked(
    nodes: Mapping[str, Node],
    place: Place,
    owner: Owner,
    lost: Callable[[LockLostError], object] = lambda error: None,
) -> Iterator[None]:
    """Hold the lock of all nodes. Raises LockedError, and holds none, when one is taken.

    Taken in the order of names, which is the same for everybody: two who want the same machines
    never wait for each other. While it is held no change is made on a node whose lock is not ours
    any more: LockLostError is raised instead. `lost` is called when that is seen between
    two changes.
    """
    tried: list[Node] = []
    fences = {name: node.fence for name, node in nodes.items()}
    over = threading.Event()
    try:
        for name in sorted(nodes):
            tried.append(nodes[name])  # before: an interrupt may come when it is taken
            try:
                _take(nodes[name], place, owner)
            except SparkctlError:
                tried.pop()
                raise
            nodes[name].fence = Fence(check(place.lock, owner.token), place.need)
            begin(partial(_beat, nodes[name], place, owner, over, lost))
        yield
    finally:
        over.set()
        for node in tried:
            node.fence = None  # what is lost, this lock or one around it, is let go all the same
        release = _script("release", place, token=owner.token)
        # Out of reach: the lock goes stale by itself.
        by_name = {node.name: node for node in tried}
        try_each(by_name, lambda name: by_name[name].script(release, need=place.need))
        for name, fence in fences.items():
            nodes[name].fence = fence


def read_locks(nodes: Mapping[str, Node], place: Place) -> dict[str, Held | None]:
    """The lock of every node, or None where it is free."""
    script = render_template("lock/read.sh.j2", lock=place.lock)
    return on_each(nodes, lambda name: _held(nodes[name].script(script, need=place.need)))


def break_locks(nodes: Mapping[str, Node], place: Place) -> None:
    """Remove the locks, whoever holds them."""
    script = _script("break", place)
    on_each(nodes, lambda name: nodes[name].script(script, need=place.need))


def _take(node: Node, place: Place, owner: Owner) -> None:
    held = _attempt(node, place, owner)
    if held is not None and held.owner is not None and is_dead(held.owner):
        held = _attempt(node, place, owner, dead=held.owner)
    if held is not None:
        raise LockedError(
            f"{node.name} is being changed by somebody else; nothing was changed",
            details=str(held),
            resolution=f"Wait for it. A holder that is gone loses the lock after {STALE} s; "
            "`sparkctl cluster lock break` removes it at once.",
            node=node.name,
        )


def _attempt(node: Node, place: Place, owner: Owner, dead: Owner | None = None) -> Held | None:
    """Who holds it, and None when it is ours now. Of a `dead` one it is taken over."""
    script = _script(
        "take",
        place,
        stale=STALE,
        dead=dead.token if dead else "nobody",
        owner=base64.b64encode(json.dumps(asdict(owner)).encode()).decode(),
    )
    return _held(node.script(script, need=place.need, deadline=270))


def _script(name: str, place: Place, **values: Any) -> str:
    """Of those that look and take in one step."""
    return render_template(f"lock/{name}.sh.j2", lock=place.lock, make=place.make, **values)


def _beat(
    node: Node,
    place: Place,
    owner: Owner,
    over: threading.Event,
    lost: Callable[[LockLostError], object],
) -> None:
    """Send heartbeats to one node: one that hangs does not make the others' locks stale."""
    script = beat(place.lock, owner.token)
    while not over.wait(BEAT):
        try:
            node.script(script, need=place.need, deadline=BEAT)
        except LockLostError as error:
            if not over.is_set():
                lost(error)
            return
        except SparkctlError:
            pass  # out of reach for now


def _held(output: str) -> Held | None:
    """What the scripts print: nothing, or the seconds of silence and the owner's file."""
    if not output.strip():
        return None
    silent, _, text = output.partition("\n")
    try:
        return Held(Owner(**json.loads(text)), int(silent))
    except (ValueError, TypeError):  # between mkdir and the writing of the owner
        return Held(None, int(silent) if silent.strip().isdecimal() else 0)
