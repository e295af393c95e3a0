"""Read the runs of a cluster: one round trip to every node, and one to the manager's engine."""

import base64
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from orchestrator.errors import RunError, SparkctlError
from orchestrator.node.node import Node
from orchestrator.node.parallel import try_each
from orchestrator.runs.state import state_of
from orchestrator.spec.cluster import ClusterSpec
from orchestrator.stack.tasks import Task, newest_tasks, read_tasks
from orchestrator.templates import rendered
from training.contract.files import RECORD
from training.contract.record import RunRecord

_OF_A_RANK = re.compile(r"(verdict|attempts|heartbeat|metrics)-rank(\d+)\.jsonl?")


@dataclass(frozen=True)
class RankSeen:
    """What a rank has left in its run folder."""

    verdict: Mapping[str, Any] | None = None
    attempts: tuple[Mapping[str, Any], ...] = ()
    """Those that ended, oldest first."""
    heartbeat: Mapping[str, Any] | None = None
    events: tuple[Mapping[str, Any], ...] = ()
    """The last of its events: start, step, eval, result."""

    def last(self, kind: str) -> Mapping[str, Any]:
        """The newest event of a kind; empty when there is none."""
        return next((e for e in reversed(self.events) if e.get("event") == kind), {})


@dataclass(frozen=True)
class Run:
    """A run as the cluster tells it."""

    record: RunRecord
    ranks: Mapping[int, RankSeen]
    tasks: tuple[Task, ...]
    """The newest Swarm task of each rank; none when the services are gone."""
    bytes: Mapping[str, int]
    """Size of the run folder by node."""

    @property
    def name(self) -> str:
        """Unique on the cluster."""
        return self.record.run

    @property
    def verdict(self) -> Mapping[str, Any] | None:
        """Of any rank: they are the same."""
        return next((seen.verdict for seen in self.ranks.values() if seen.verdict), None)

    @property
    def attempts(self) -> tuple[Mapping[str, Any], ...]:
        """As rank 0 tells them, which sees all."""
        return self.ranks[0].attempts if 0 in self.ranks else ()

    @property
    def state(self) -> str:
        """One word: `orchestrator.runs.state`."""
        verdict = self.verdict
        return state_of(str(verdict["state"]) if verdict else None, self.tasks, len(self.attempts))


@dataclass(frozen=True)
class Reading:
    """All runs, newest first, and the nodes that could not be read."""

    runs: tuple[Run, ...]
    errors: Mapping[str, SparkctlError]

    def find(self, name: str) -> Run:
        """By its name, the beginning of it if no other begins so, or `last`.

        Raises RunError that lists what there is.
        """
        if name == "last" and self.runs:
            return self.runs[0]
        named = [run for run in self.runs if run.name == name]
        fitting = named or [run for run in self.runs if run.name.startswith(name)]
        if len(fitting) == 1:
            return fitting[0]
        there = "\n".join(f"{run.name}  {run.state}" for run in (fitting or self.runs)[:20])
        raise RunError(
            f"{len(fitting)} runs begin with {name}" if fitting else f"there is no run {name}",
            details=there or "There are no runs.",
            resolution="Name one as `sparkctl runs list` shows it; `last` is the newest.",
        )


def read_runs(
    spec: ClusterSpec,
    nodes: Mapping[str, Node],
    errors: Mapping[str, SparkctlError] | None = None,
    *,
    only: str | None = None,
) -> Reading:
    """Read every run, or only one by its full name and in more detail.

    A node that cannot be read is in `errors`, and so is a manager whose engine does not answer.
    """
    script = rendered("runs.sh.j2", runs=spec.paths.runs, only=only)
    outputs, failed = try_each(nodes, lambda name: nodes[name].script(script, need="docker"))
    problems = {**(errors or {}), **failed}
    tasks: list[Mapping[str, Any]] = []
    manager = spec.manager.name
    if manager in outputs:
        try:
            tasks = read_tasks(nodes[manager], only)
        except SparkctlError as error:
            problems[manager] = error
    return Reading(merged(outputs, tasks), problems)


def merged(outputs: Mapping[str, str], tasks: list[Mapping[str, Any]]) -> tuple[Run, ...]:
    """Runs from what the nodes printed and what Swarm says; newest first. Pure."""
    records: dict[str, RunRecord] = {}
    ranks: dict[str, dict[int, RankSeen]] = {}
    sizes: dict[str, dict[str, int]] = {}
    for node, output in outputs.items():
        for run, files in _by_run(output).items():
            try:
                records[run] = RunRecord.model_validate_json(files[RECORD])
            except (KeyError, ValidationError):
                continue  # a folder of something else, or of a record half written
            sizes.setdefault(run, {})[node] = int(files.get("size") or 0) * 1024
            ranks.setdefault(run, {}).update(_ranks(files))
    newest = newest_tasks(tasks)
    found = [
        Run(record, ranks[run], newest.get(run, ()), sizes[run]) for run, record in records.items()
    ]
    return tuple(sorted(found, key=lambda run: (run.record.created, run.name), reverse=True))


def _by_run(output: str) -> dict[str, dict[str, str]]:
    files: dict[str, dict[str, str]] = {}
    for line in output.splitlines():
        path, tab, encoded = line.partition("\t")
        run, slash, name = path.rpartition("/")
        if tab and slash:
            text = base64.b64decode(encoded).decode("utf-8", "replace")
            files.setdefault(run, {})[name] = text
    return files


def _ranks(files: Mapping[str, str]) -> dict[int, RankSeen]:
    found: dict[int, dict[str, Any]] = {}
    for name, text in files.items():
        if (match := _OF_A_RANK.fullmatch(name)) is None:
            continue
        kind, parts = match[1], found.setdefault(int(match[2]), {})
        lines = tuple(line for line in map(_json, text.split("\n")) if line)
        match kind:
            case "attempts":
                parts["attempts"] = tuple(line for line in lines if "end" in line)
            case "metrics":
                parts["events"] = lines
            case _:
                parts[kind] = lines[-1] if lines else None
    return {rank: RankSeen(**parts) for rank, parts in found.items()}


def _json(line: str) -> Mapping[str, Any] | None:
    """None for a line that was being written while it was read."""
    try:
        value = json.loads(line)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None
