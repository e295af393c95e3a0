"""Read the runs of a cluster: one round trip to every node, and one to the manager's engine.

A node speaks for itself only: what a rank has left is read from the rank's own node. Where two
nodes have different records of a run, neither is trusted.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from orchestrator.errors import RunError, SparkctlError
from orchestrator.node.node import Node
from orchestrator.node.parallel import try_each
from orchestrator.runs.node_runs import NodeRuns, RunOnNode, parse_node_runs
from orchestrator.runs.run import Run, Unreadable
from orchestrator.runs.seen import rank_seen
from orchestrator.spec.cluster import ClusterSpec
from orchestrator.stack.tasks import DONE, newest_tasks, read_tasks
from orchestrator.templates import render_template
from training.contract.record import RankPlace, RunRecord


@dataclass(frozen=True)
class RunIndex:
    """All runs, newest first, and the nodes that could not be read."""

    runs: tuple[Run, ...]
    errors: Mapping[str, SparkctlError]
    unreadable: tuple[Unreadable, ...] = ()
    clock: datetime | None = None
    """UTC, as the manager has it, or another node."""

    def find(self, name: str) -> Run:
        """By its name, the beginning of it if no other begins so, or `last`.

        Raises RunError that lists what there is.
        """
        found = self.find_any(name)
        if isinstance(found, Unreadable):
            raise RunError(
                f"{found.name} is unreadable: {found.why}",
                resolution=f"Nothing is done with it. Delete it: sparkctl runs rm {found.name}",
            )
        return found

    def find_any(self, name: str) -> Run | Unreadable:
        """The same, but one that is unreadable is found, too."""
        if name == "last" and self.runs:
            return self.runs[0]
        everything: tuple[Run | Unreadable, ...] = (*self.runs, *self.unreadable)
        named = [run for run in everything if run.name == name]
        fitting = named or [run for run in everything if run.name.startswith(name)]
        if len(fitting) == 1:
            return fitting[0]
        there = "\n".join(f"{run.name}  {run.state}" for run in (fitting or everything)[:20])
        unread = [f"not read: {error.brief}" for error in self.errors.values()]
        nothing = "\n".join(unread) or "There are no runs."
        raise RunError(
            f"{len(fitting)} runs begin with {name}" if fitting else f"there is no run {name}",
            details=there or nothing,
            resolution="Name one as `sparkctl runs list` shows it; `last` is the newest.",
        )


def runs_script(runs: str, only: str | None) -> str:
    """Shell: all runs in this folder (`paths.runs`), or one by its name and in more detail."""
    return render_template("runs.sh.j2", runs=runs, only=only)


def read_runs(
    spec: ClusterSpec,
    nodes: Mapping[str, Node],
    errors: Mapping[str, SparkctlError] | None = None,
    *,
    only: str | None = None,
) -> RunIndex:
    """Read every run, or only one by its full name and in more detail.

    A node that cannot be read is in `errors`, and so is a manager whose engine does not answer.
    """
    script = runs_script(spec.paths.runs, only)
    found, failed = try_each(
        nodes, lambda name: parse_node_runs(name, nodes[name].output(script, need="docker"))
    )
    problems = {**(errors or {}), **failed}
    tasks: list[Mapping[str, Any]] | None = None
    manager = spec.manager.name
    if manager in found:
        try:
            tasks = read_tasks(nodes[manager], only)
        except SparkctlError as error:
            problems[manager] = error
    return merged(found, tasks, problems, manager)


def merged(
    nodes: Mapping[str, NodeRuns],
    tasks: list[Mapping[str, Any]] | None,
    errors: Mapping[str, SparkctlError],
    manager: str,
) -> RunIndex:
    """Runs from the nodes' folders and Swarm's tasks. Pure."""
    newest = None if tasks is None else newest_tasks(tasks)
    runs, unreadable = list[Run](), list[Unreadable]()
    for name in dict.fromkeys(run for node in nodes.values() for run in node.runs):
        copies = {node: found.runs[name] for node, found in nodes.items() if name in found.runs}
        sizes = {node: one.bytes for node, one in copies.items()}
        of_run = None if newest is None else newest.get(name, ())
        if (why := _doubt(copies)) is not None:
            live = any(task.state not in DONE for task in of_run or ())
            unreadable.append(Unreadable(name, why, sizes, live))
            continue
        record = _trusted(copies, nodes)
        ranks = {
            place.rank: rank_seen(name, place.rank, copies[place.node].files if place.node in copies
                                  else {})
            for place in record.ranks
            if place.node in nodes
        }  # fmt: skip
        legacy = any(one.legacy for one in copies.values() if one.record)
        runs.append(Run(record, ranks, of_run, sizes, legacy))
    runs.sort(key=lambda run: (run.record.created, run.name), reverse=True)
    clocks = [nodes[node].clock for node in sorted(nodes, key=lambda node: node != manager)]
    clock = next((clock for clock in clocks if clock is not None), None)
    return RunIndex(tuple(runs), errors, tuple(sorted(unreadable, key=lambda u: u.name)), clock)


def _doubt(copies: Mapping[str, RunOnNode]) -> str | None:
    """Why its records cannot be trusted, or None.

    A node that lacks the record (it did not answer when that was rewritten) is no reason; one that
    has another record is.
    """
    whys = {node: one.why for node, one in copies.items() if one.why}
    wrong = {node: why for node, why in whys.items() if why != "its record is missing"}
    records = {node: one.record for node, one in copies.items() if one.record}
    if wrong or not records:
        node, why = next(iter((wrong or whys).items()))
        return f"{why} ({node})"
    first, *others = records
    for node in others:
        if _decides(records[node]) != _decides(records[first]):
            return f"{first} and {node} have different records of it"
    return None


def _decides(record: RunRecord) -> dict[str, Any]:
    """What must be the same everywhere. The rest is rewritten at each resume, and a resume may
    be interrupted between two nodes."""
    fields = record.model_dump(exclude={"image", "images", "created", "ranks"})
    return fields | {"ranks": [(place.rank, place.node) for place in record.ranks]}


def _trusted(copies: Mapping[str, RunOnNode], nodes: Mapping[str, NodeRuns]) -> RunRecord:
    """Of rank 0's node if it was read; every folder is where its own node has the runs."""
    records = {node: one.record for node, one in copies.items() if one.record}
    any_one = next(iter(records.values()))
    record = records.get(any_one.ranks[0].node, any_one)

    def places() -> Iterator[RankPlace]:
        for place in record.ranks:
            runs = nodes[place.node].folder if place.node in nodes else "/nowhere"
            yield place.model_copy(update={"folder": f"{runs}/{record.run}"})

    return record.model_copy(update={"ranks": tuple(places())})
