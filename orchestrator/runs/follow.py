"""Watch the gang to its end, over the manager's connection alone."""

import queue
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

import docker

from orchestrator.node.docker_client import docker_trouble
from orchestrator.node.node import Node
from orchestrator.runs.events import (
    Ended,
    LogLine,
    RankEvent,
    RunEvent,
    RunListener,
    TaskState,
    parse_line,
)
from orchestrator.runs.verdict import DONE, RankRecord, Verdict, judge
from orchestrator.stack.ranks import Rank

_POLL = 1.0  # seconds between looks at the tasks
_TAIL = 15  # log lines kept of each rank, for the verdict


@dataclass(frozen=True)
class Patience:
    """Deadlines in seconds."""

    start: float = 180.0
    """Until all ranks run. Past it Swarm's own reason is the verdict."""
    gang: float = 15.0
    """How long the others may live once one rank is dead."""
    logs: float = 10.0
    """How long the logs of ended tasks may still come in."""


@dataclass
class _Watch:
    run: str
    manager: Node
    records: dict[int, RankRecord]
    events: "queue.Queue[RunEvent]" = field(default_factory=queue.Queue)
    over: threading.Event = field(default_factory=threading.Event)


def follow(
    manager: Node, run: str, ranks: list[Rank], listen: RunListener, patience: Patience
) -> Verdict:
    """Pass everything that is seen to `listen`, until the run is over.

    The run does not need us: leaving (KeyboardInterrupt) changes nothing on the cluster.
    """
    watch = _Watch(run, manager, {r.rank: RankRecord(r.rank, r.node) for r in ranks})
    readers: list[threading.Thread] = []
    try:
        with manager.docker_streams() as client:
            for rank in watch.records:
                reader = threading.Thread(
                    target=_read_logs, args=(watch, client, rank), daemon=True
                )
                reader.start()
                readers.append(reader)
            _wait_for_end(watch, listen, patience)
            _drain_until(watch, listen, time.monotonic() + patience.logs)
            watch.over.set()
    finally:
        watch.over.set()
        for reader in readers:
            reader.join(timeout=patience.logs)
    verdict = judge(run, list(watch.records.values()))
    listen(Ended(verdict))
    return verdict


def _wait_for_end(watch: _Watch, listen: RunListener, patience: Patience) -> None:
    began = time.monotonic()
    first_death: float | None = None
    while True:
        _look_at_tasks(watch)
        _pass_on(watch, listen, _POLL)
        states = [record.state for record in watch.records.values()]
        now = time.monotonic()
        if all(state in DONE for state in states):
            return
        if any(state in DONE and state != "complete" for state in states):
            first_death = first_death or now
            if now - first_death > patience.gang:
                return
        started = all(state in DONE or state == "running" for state in states)
        if not started and first_death is None and now - began > patience.start:
            return


def _look_at_tasks(watch: _Watch) -> None:
    with docker_trouble(watch.manager.name):
        tasks = watch.manager.docker.api.tasks(filters={"label": f"sparkctl.run={watch.run}"})
    for task in sorted(tasks, key=lambda t: t["CreatedAt"]):
        labels = task["Spec"]["ContainerSpec"].get("Labels") or {}
        record = watch.records.get(int(labels.get("sparkctl.rank", -1)))
        if record is None:
            continue
        status = task["Status"]
        state, error = status["State"], status.get("Err")
        if (state, error) != (record.state, record.error):
            watch.events.put(TaskState(record.rank, state, error))
        record.state, record.error, record.ended_at = state, error, status["Timestamp"]
        record.exit_code = (status.get("ContainerStatus") or {}).get("ExitCode")


def _pass_on(watch: _Watch, listen: RunListener, seconds: float) -> None:
    """Hand over what comes in during `seconds`, and take from it what the verdict needs."""
    end = time.monotonic() + seconds
    while True:
        try:
            event = watch.events.get(timeout=max(0.0, end - time.monotonic()))
        except queue.Empty:
            return
        _remember(watch, event)
        listen(event)


def _remember(watch: _Watch, event: RunEvent) -> None:
    if isinstance(event, LogLine):
        tail = watch.records[event.rank].tail
        tail.append(event.text)
        del tail[:-_TAIL]
    elif isinstance(event, RankEvent) and event.kind == "result":
        watch.records[event.rank].result = event.fields
    elif isinstance(event, RankEvent) and event.kind == "error":
        watch.records[event.rank].complaint = event.fields


def _drain_until(watch: _Watch, listen: RunListener, end: float) -> None:
    """Logs arrive a little after the task's state: wait for every rank's last word."""
    while time.monotonic() < end:
        heard = [r.result is not None or r.complaint is not None for r in watch.records.values()]
        if all(heard):
            return
        _pass_on(watch, listen, 0.2)


def _read_logs(watch: _Watch, client: docker.DockerClient, rank: int) -> None:
    stream: Iterator[bytes] = client.api.service_logs(
        f"{watch.run}_rank{rank}", follow=True, stdout=True, stderr=True, is_tty=False
    )
    try:
        for line in _lines(stream):
            watch.events.put(parse_line(rank, line))
    except Exception as error:  # whatever a closed channel looks like to the layers between
        if not watch.over.is_set():
            watch.events.put(LogLine(rank, f"(the log stream ended: {error!r})"))


def _lines(chunks: Iterator[bytes]) -> Iterator[str]:
    rest = b""
    for chunk in chunks:
        *whole, rest = (rest + chunk).split(b"\n")
        yield from (line.decode(errors="replace") for line in whole)
    if rest:
        yield rest.decode(errors="replace")
