"""Watch a run to its end: one look a second at every node, and one at the manager's tasks.

Nothing here decides anything: the supervisors on the cluster do. Leaving changes nothing either.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from orchestrator.errors import ConnectError, RemoteError, SparkctlError
from orchestrator.node.node import Node
from orchestrator.node.parallel import try_each
from orchestrator.runs import verdict as verdicts
from orchestrator.runs.events import (
    Ended,
    NodeBack,
    NodeSilent,
    RankEvent,
    RunListener,
    TaskState,
    parse_line,
)
from orchestrator.runs.logs import Piece, look, seen, stamped
from orchestrator.runs.verdict import Verdict
from orchestrator.stack.tasks import DONE, Task, newest_tasks, read_tasks
from training.contract.record import RunRecord

POLL = 1.0
"""Seconds between two looks."""


@dataclass(frozen=True)
class Patience:
    """Deadlines in seconds."""

    start: float = 180.0
    """Until every rank runs. Past it Swarm's own reason is the verdict."""
    broken: float = 5.0
    """How long a verdict may still come when all containers have ended."""
    away: float = 900.0
    """How long a machine may not answer: one that reboots comes back."""
    results: float = 10.0
    """How long the last lines of the other ranks may still come in after the verdict."""


@dataclass
class _Watch:
    record: RunRecord
    nodes: Mapping[str, Node]
    listen: RunListener
    offsets: dict[int, int]
    tasks: dict[int, Task] = field(default_factory=dict)
    results: dict[int, Mapping[str, Any]] = field(default_factory=dict)
    silent: dict[str, float] = field(default_factory=dict)
    """Since when a node does not answer."""
    verdict: Mapping[str, Any] | None = None

    @property
    def everyone_said(self) -> bool:
        return len(self.results) == len(self.record.ranks)


def follow(
    record: RunRecord,
    nodes: Mapping[str, Node],
    listen: RunListener,
    patience: Patience,
    *,
    offsets: Mapping[int, int] | None = None,
    sleep: Callable[[float], None] = time.sleep,
) -> Verdict:
    """Pass everything that is seen to `listen`, until the run is over.

    `nodes`: those of the run, the manager first. `offsets`: bytes of each rank's log that are
    known already. Raises the ConnectError of a machine that is away for too long.
    """
    watch = _Watch(record, nodes, listen, dict(offsets or {}))
    began = time.monotonic()
    since: float | None = None
    """When all containers had ended."""
    while True:
        more = _look(watch, patience)
        if watch.verdict is not None:
            break
        _look_at_tasks(watch)
        now = time.monotonic()
        states = [task.state for task in watch.tasks.values()]
        ended = not watch.silent and all(state in DONE for state in states)
        since = (since or now) if ended else None
        if since is not None and now - since > patience.broken and now - began > patience.broken:
            return _end(watch, verdicts.broken(record.run, _places(record), watch.tasks.values()))
        stuck = any(state != "running" for state in states) and not any(watch.offsets.values())
        if stuck and now - began > patience.start:
            return _end(watch, verdicts.broken(record.run, _places(record), watch.tasks.values()))
        if not more:
            sleep(POLL)
    until = time.monotonic() + patience.results
    while watch.verdict["state"] == "succeeded" and not watch.everyone_said:
        if time.monotonic() > until:
            break
        sleep(POLL / 5)
        _look(watch, patience)
    return _end(watch, verdicts.told(watch.verdict, _in_order(watch.results)))


def _look(watch: _Watch, patience: Patience) -> bool:
    """Read what is new on every node; whether there is more to read at once."""

    def read(node: str) -> dict[int, Piece]:
        if node in watch.silent:
            watch.nodes[node].reconnect()
        pieces = {}
        for place in watch.record.ranks:
            if place.node == node:
                offset = watch.offsets.get(place.rank, 0)
                output = watch.nodes[node].script(look(place, offset), need="docker")
                pieces[place.rank] = seen(output, offset)
        return pieces

    names = dict.fromkeys(place.node for place in watch.record.ranks)
    found, errors = try_each(names, read)
    for node, error in errors.items():
        _silent(watch, node, error, patience)
    more = False
    for node, pieces in found.items():
        if watch.silent.pop(node, None) is not None:
            watch.listen(NodeBack(node))
        for rank, piece in pieces.items():
            _heard(watch, rank, piece)
            more = more or piece.more
    return more


def _heard(watch: _Watch, rank: int, piece: Piece) -> None:
    watch.offsets[rank] = piece.offset
    for line in piece.lines:
        at, text = stamped(line)
        event = parse_line(rank, text, at)
        if isinstance(event, RankEvent) and event.kind == "result":
            watch.results[rank] = event.fields
        watch.listen(event)
    if piece.verdict is not None and not piece.more:
        event = parse_line(rank, '{"event":"verdict",' + piece.verdict.strip().removeprefix("{"))
        if isinstance(event, RankEvent):
            watch.verdict = event.fields


def _silent(watch: _Watch, node: str, error: SparkctlError, patience: Patience) -> None:
    """A machine that reboots comes back; one that refuses us does not change its mind."""
    if not (type(error) is ConnectError or isinstance(error, RemoteError)):
        raise error
    now = time.monotonic()
    if node not in watch.silent:
        watch.silent[node] = now
        watch.listen(NodeSilent(node, error.brief))
    elif now - watch.silent[node] > patience.away:
        raise error


def _look_at_tasks(watch: _Watch) -> None:
    manager = next(iter(watch.nodes.values()))
    if manager.name in watch.silent:
        return
    try:
        tasks = newest_tasks(read_tasks(manager, watch.record.run)).get(watch.record.run, ())
    except (ConnectError, RemoteError):
        manager.reset_docker()  # its engine restarts; the nodes are asked again in a second
        return
    for task in tasks:
        before = watch.tasks.get(task.rank)
        if before is None or (before.state, before.error) != (task.state, task.error):
            watch.listen(TaskState(task.rank, task.state, task.error))
    watch.tasks = {task.rank: task for task in tasks}


def _end(watch: _Watch, verdict: Verdict) -> Verdict:
    watch.listen(Ended(verdict))
    return verdict


def _places(record: RunRecord) -> dict[int, str]:
    return {place.rank: place.node for place in record.ranks}


def _in_order(results: Mapping[int, Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    return [results[rank] for rank in sorted(results)]
