"""Wait for the GPUs: for hours, over a connection that comes and goes."""

import time
from collections.abc import Callable, Mapping
from typing import TypeVar

from orchestrator.errors import BusyError, LockedError, SparkctlError
from orchestrator.node.node import Node
from orchestrator.node.parallel import on_each
from orchestrator.runs.absence import AWAY, may_pass
from orchestrator.runs.reading import read_runs
from orchestrator.spec.cluster import ClusterSpec
from orchestrator.stack.occupancy import require_free_gpus

T = TypeVar("T")

POLL = 5.0
"""Poll interval in seconds."""


def judged(spec: ClusterSpec, nodes: Mapping[str, Node]) -> Callable[[str], bool]:
    """A function that reports whether a run has a verdict in its ranks' folders."""

    def has_verdict(run_name: str) -> bool:
        found = read_runs(spec, nodes, only=run_name).runs
        return any(one.name == run_name and one.verdict is not None for one in found)

    return has_verdict


def in_turn(
    spec: ClusterSpec,
    nodes: Mapping[str, Node],
    on_progress: Callable[[str], None],
    start: Callable[[], T],
    *,
    sleep: Callable[[float], None] = time.sleep,
) -> T:
    """`start`, when no run holds the GPUs; if another run is quicker, wait again."""
    while True:
        wait_for_gpus(spec, nodes, on_progress, sleep=sleep)
        try:
            return start()
        except (BusyError, LockedError) as quicker:
            on_progress(f"waiting: {quicker.brief}")
            sleep(POLL)


def wait_for_gpus(
    spec: ClusterSpec,
    nodes: Mapping[str, Node],
    on_progress: Callable[[str], None],
    *,
    sleep: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> None:
    """Return when no other run holds them and all machines answer.

    `on_progress` is called once with what it waits for. Raises the error of a machine that does
    not answer for too long, or that refuses us.
    """
    reported, silent_since = "", None
    while True:
        try:
            if silent_since is not None:
                on_each(nodes, lambda name: nodes[name].reconnect())
            on_each(nodes, lambda name: nodes[name].script(":", need="docker"))
            require_free_gpus(nodes[spec.manager.name], judged(spec, nodes))
            return
        except BusyError as busy:
            reason, silent_since = busy.brief, None
        except SparkctlError as error:
            silent_since = silent_since if silent_since is not None else clock()
            if not may_pass(error) or clock() - silent_since > AWAY:
                raise
            reason = error.brief
        if reason != reported:
            on_progress(f"waiting: {reason}")
            reported = reason
        sleep(POLL)
