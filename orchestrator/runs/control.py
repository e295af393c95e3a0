"""Stop a run, delete it."""

import shlex
import time
from collections.abc import Callable, Mapping

from orchestrator.errors import RunError
from orchestrator.node.node import Node
from orchestrator.node.parallel import on_each
from orchestrator.runs.logs import log_size
from orchestrator.runs.reading import read_runs
from orchestrator.runs.run import Run, Unreadable
from orchestrator.runs.state import LIVE
from orchestrator.runs.verdict import Outcome, broken, outcome_of
from orchestrator.spec.cluster import ClusterSpec
from orchestrator.stack.deploy import remove, wait_for_exit
from orchestrator.templates import render_template
from training.contract.files import RECORDS, STOP, is_run_name
from training.contract.record import RunRecord

_POLL = 0.5
_MARGIN = 30.0
"""Seconds beyond the stack's stop_grace_seconds."""
_MOST_GRACE = 3600.0


def stop(
    spec: ClusterSpec,
    run: Run,
    nodes: Mapping[str, Node],
    *,
    sleep: Callable[[float], None] = time.sleep,
) -> Outcome:
    """Ask all ranks to save after the current step and to end; take the services off the swarm.

    Ranks that do not come to an end within the stack's grace are ended by Swarm.
    """
    if run.state not in LIVE:
        raise RunError(f"{run.name} does not run: {run.state}")
    places = {place.node: place for place in run.record.ranks}
    require_nodes(run.record, nodes)
    on_each(places, lambda name: nodes[name].script(_stop(places[name].folder), need="docker"))
    end = time.monotonic() + _grace(run) + _MARGIN
    while run.state in LIVE and time.monotonic() < end:
        sleep(_POLL)
        run = read_runs(spec, nodes, only=run.name).find(run.name)
    manager = nodes[spec.manager.name]
    if run.verdict is not None:
        wait_for_exit(manager, run.name, sleep=sleep)
    remove(manager, run.name)
    if run.verdict is not None:
        return outcome_of(run.verdict)
    return broken(run.name, {place.rank: place.node for place in run.record.ranks}, ())


def require_nodes(record: RunRecord, nodes: Mapping[str, Node]) -> None:
    """Raises RunError when the cluster file lacks a machine that has a part of the run."""
    missing = [place.node for place in record.ranks if place.node not in nodes]
    if missing:
        raise RunError(
            f"{record.run} has a rank on {missing[0]}, which is not in the cluster file",
            resolution="Put the node back into the cluster file.",
        )


def _stop(folder: str) -> str:
    """What a container may have put there in its place is neither followed nor waited for."""
    return (
        f"cd {shlex.quote(folder)} && "
        f"dd if=/dev/null of={STOP} oflag=nofollow,nonblock conv=notrunc status=none"
    )


def _grace(run: Run) -> float:
    """Seconds; the maximum of a stack for a record that has no valid number."""
    seconds = run.record.stack.get("stop_grace_seconds", 30)
    fits = isinstance(seconds, int | float) and 0 <= seconds <= _MOST_GRACE
    return float(seconds) if fits else _MOST_GRACE


def log_sizes(record: RunRecord, nodes: Mapping[str, Node]) -> dict[int, int]:
    """How many bytes the log of each rank has already."""
    places = {place.node: place for place in record.ranks}
    sizes = on_each(places, lambda name: log_size(places[name], nodes[name]))
    return {places[name].rank: size for name, size in sizes.items()}


def delete(
    spec: ClusterSpec, run: Run | Unreadable, nodes: Mapping[str, Node], *, force: bool = False
) -> None:
    """Take a run off the swarm, and its folder and its record off every node.

    Both are found by the run's name alone. Raises RunError when it runs: one that cannot be
    stopped, because it is unreadable, only goes with `force`.
    """
    if run.live and not (force and isinstance(run, Unreadable)):
        raise RunError(
            f"{run.name} is {run.state}",
            resolution=f"First: sparkctl runs stop {run.name}"
            if isinstance(run, Run)
            else "It runs, and cannot be asked to stop. Add --force to end it all the same.",
        )
    if not is_run_name(run.name):
        raise RunError(f"{run.name} is not the name of a run")
    remove(nodes[spec.manager.name], run.name)
    script = render_template(
        "runs/delete.sh.j2", runs=spec.paths.runs, run=run.name, records=RECORDS
    )
    on_each(nodes, lambda name: nodes[name].script(script, need="docker"))
