"""Follow a run to its end: every second, poll every node and the manager's tasks.

Nothing here decides anything: the supervisors on the cluster do. To stop following changes nothing.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from heapq import merge

from pydantic import ValidationError

from orchestrator.errors import ConnectError, RemoteError, SparkctlError
from orchestrator.node.node import Node
from orchestrator.node.parallel import try_each
from orchestrator.runs import verdict as verdicts
from orchestrator.runs.absence import AWAY, may_pass
from orchestrator.runs.events import (
    Ended,
    LogLine,
    NodeBack,
    NodeGone,
    NodeSilent,
    RankEvent,
    RunListener,
    TaskState,
    parse_line,
)
from orchestrator.runs.logs import Piece, look, seen, stamped
from orchestrator.runs.verdict import Outcome, believed
from orchestrator.stack.tasks import DONE, Task, missing_nodes, newest_tasks, read_tasks
from training.contract.events import Result
from training.contract.record import RunRecord
from training.contract.verdict import RESTS_ON, Verdict

POLL = 1.0
"""Poll interval in seconds."""


@dataclass(frozen=True)
class Timeouts:
    """Deadlines in seconds."""

    start: float = 180.0
    """Until every rank runs. Past it Swarm's own reason is the verdict."""
    broken: float = 5.0
    """How long a verdict may still come when all containers have ended."""
    away: float = AWAY
    """How long a machine may not answer: one that reboots comes back."""
    results: float = 10.0
    """How long the last lines of the other ranks may still come in after the verdict."""


@dataclass
class _Watch:
    record: RunRecord
    manager: Node
    nodes: Mapping[str, Node]
    listen: RunListener
    offsets: dict[int, int]
    tasks: dict[int, Task] = field(default_factory=dict)
    tasks_known: bool = False
    """Whether the last poll of them succeeded: an engine that restarts reports nothing of a run."""
    gone: dict[str, str] = field(default_factory=dict)
    """Nodes that the swarm misses, and why."""
    results: dict[int, Result] = field(default_factory=dict)
    silent: dict[str, float] = field(default_factory=dict)
    """Since when a node does not answer."""
    verdicts: dict[int, Verdict] = field(default_factory=dict)

    @property
    def verdict(self) -> Verdict | None:
        return believed(self.verdicts)

    @property
    def missing(self) -> list[str]:
        return [f"the swarm misses {node}: {why}" for node, why in self.gone.items()]

    def broken(self) -> Outcome:
        places = {place.rank: place.node for place in self.record.ranks}
        return verdicts.broken(self.record.run, places, self.tasks.values(), self.missing)

    @property
    def all_results_known(self) -> bool:
        """Whether no further result is expected."""
        rests_on = None if self.verdict is None else self.verdict.message
        without = rests_on not in (None, RESTS_ON["checked"])  # of ours there is no word
        return without or len(self.results) == len(self.record.ranks)

    @property
    def awaits_rank_0(self) -> bool:
        """Whether only another rank has spoken: of itself alone, as all know rank 0's verdict."""
        return 0 not in self.verdicts and self.record.ranks[0].node not in self.silent


def follow(
    record: RunRecord,
    manager: Node,
    nodes: Mapping[str, Node],
    listen: RunListener,
    timeouts: Timeouts,
    *,
    offsets: dict[int, int] | None = None,
    sleep: Callable[[float], None] = time.sleep,
) -> Outcome:
    """Pass every event to `listen` until the run is over.

    `nodes`: those of the ranks, by name. `offsets`: bytes of each rank's log that are known
    already; they grow with what is read. Raises the ConnectError of a machine that does not answer
    for too long.
    """
    watch = _Watch(record, manager, nodes, listen, {} if offsets is None else offsets)
    began = time.monotonic()
    since: float | None = None
    """When all containers had ended."""
    while True:
        more = _poll_nodes(watch, timeouts)
        if watch.verdict is not None:
            break
        _poll_tasks(watch)
        now = time.monotonic()
        states = [task.state for task in watch.tasks.values()]
        ended = watch.tasks_known and not watch.silent and all(s in DONE for s in states)
        since = (since or now) if ended else None
        if since is not None and now - since > timeouts.broken and now - began > timeouts.broken:
            return _end(watch, watch.broken())
        waiting = any(state != "running" for state in states) and not any(watch.offsets.values())
        if watch.tasks_known and waiting and now - began > timeouts.start:
            return _end(watch, watch.broken())
        if not more:
            sleep(POLL)
    judged = time.monotonic()
    while True:
        late = time.monotonic() - judged
        awaits = watch.awaits_rank_0 and late < timeouts.broken
        succeeded = watch.verdict.state == "succeeded"
        if not (more or awaits or (succeeded and not watch.all_results_known)):
            break
        if late > timeouts.results:
            break
        if not more:
            sleep(POLL / 5)
        more = _poll_nodes(watch, timeouts)
    return _end(watch, verdicts.outcome_of(watch.verdict, _in_order(watch.results), watch.missing))


def _poll_nodes(watch: _Watch, timeouts: Timeouts) -> bool:
    """Read what is new on every node; whether there is more to read at once."""

    def read(node_name: str) -> dict[int, Piece]:
        if node_name in watch.silent:
            watch.nodes[node_name].reconnect()
        pieces = {}
        for place in watch.record.ranks:
            if place.node == node_name:
                offset = watch.offsets.get(place.rank, 0)
                output = watch.nodes[node_name].script(look(place, offset), need="docker")
                pieces[place.rank] = seen(output, offset)
        return pieces

    names = dict.fromkeys(place.node for place in watch.record.ranks)
    found, errors = try_each(names, read)
    for node_name, error in errors.items():
        _silent(watch, node_name, error, timeouts)
    for node_name in found:
        if watch.silent.pop(node_name, None) is not None:
            watch.listen(NodeBack(node_name))
    pieces = {rank: piece for of_node in found.values() for rank, piece in of_node.items()}
    heard = [_on_piece(watch, rank, piece) for rank, piece in pieces.items()]
    for _, event in merge(*heard, key=lambda one: one[0]):
        watch.listen(event)
    return any(piece.more for piece in pieces.values())


def _on_piece(watch: _Watch, rank: int, piece: Piece) -> list[tuple[str, RankEvent | LogLine]]:
    """What has been written, each with its time, or that of a line before it."""
    watch.offsets[rank] = piece.offset
    heard, last = list[tuple[str, RankEvent | LogLine]](), ""
    for line in piece.lines:
        at, text = stamped(line)
        last, event = at or last, parse_line(rank, text, at)
        if isinstance(event, RankEvent) and isinstance(event.event, Result):
            watch.results[rank] = event.event
        heard.append((last, event))
    if piece.verdict is not None and not piece.more:
        try:
            verdict = Verdict.model_validate_json(piece.verdict)
        except ValidationError:
            return heard  # what is no verdict ends nothing
        if verdict.run == watch.record.run:
            watch.verdicts[rank] = verdict
    return heard


def _silent(watch: _Watch, node_name: str, error: SparkctlError, timeouts: Timeouts) -> None:
    if not may_pass(error):
        raise error
    now = time.monotonic()
    if node_name not in watch.silent:
        watch.silent[node_name] = now
        watch.listen(NodeSilent(node_name, error.brief))
    elif now - watch.silent[node_name] > timeouts.away:
        raise error


def _poll_tasks(watch: _Watch) -> None:
    manager = watch.manager
    watch.tasks_known = False
    if manager.name in watch.silent:
        return
    nodes = {place.rank: place.node for place in watch.record.ranks}
    try:
        tasks = newest_tasks(read_tasks(manager, watch.record.run)).get(watch.record.run, ())
        waiting = any(task.state not in DONE | {"running"} for task in tasks)
        gone = missing_nodes(manager, tasks) if waiting else {}
    except (ConnectError, RemoteError):
        manager.reset_docker()  # its engine restarts; the nodes are asked again in a second
        return
    watch.tasks_known = True
    for task in (task for task in tasks if task.rank in nodes):
        before = watch.tasks.get(task.rank)
        if before is None or (before.state, before.error) != (task.state, task.error):
            watch.listen(TaskState(task.rank, task.state, task.error))
    watch.tasks = {task.rank: task for task in tasks if task.rank in nodes}
    now = {nodes[rank]: why for rank, why in gone.items() if rank in nodes}
    for node in now.keys() - watch.gone.keys():
        watch.listen(NodeGone(node, now[node]))
    watch.gone = now


def _end(watch: _Watch, outcome: Outcome) -> Outcome:
    watch.listen(Ended(outcome))
    return outcome


def _in_order(results: Mapping[int, Result]) -> list[Result]:
    return [results[rank] for rank in sorted(results)]
