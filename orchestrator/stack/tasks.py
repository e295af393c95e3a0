"""What Swarm says of the ranks of runs."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from orchestrator.names import LABEL_RANK, LABEL_RUN
from orchestrator.node.docker_trouble import docker_trouble
from orchestrator.node.node import Node

DONE = frozenset({"complete", "failed", "rejected", "shutdown", "orphaned", "remove"})
"""States of a Swarm task that is over."""


@dataclass(frozen=True)
class Task:
    """The newest Swarm task of a rank."""

    rank: int
    state: str
    error: str | None = None
    exit_code: int | None = None
    at: str = ""
    """When it came into this state, by its own machine's clock."""


def read_tasks(manager: Node, run: str | None = None) -> list[Mapping[str, Any]]:
    """Swarm's tasks of a run, or of all runs. Raises RemoteError."""
    label = LABEL_RUN if run is None else f"{LABEL_RUN}={run}"
    with docker_trouble(manager.name):
        found: list[Mapping[str, Any]] = manager.docker.api.tasks(filters={"label": label})
    return found


def newest_tasks(tasks: list[Mapping[str, Any]]) -> dict[str, tuple[Task, ...]]:
    """The newest task of every rank, by run."""
    newest: dict[str, dict[int, Task]] = {}
    for task in sorted(tasks, key=lambda task: str(task["CreatedAt"])):
        labels = task["Spec"]["ContainerSpec"].get("Labels") or {}
        if LABEL_RUN not in labels:
            continue
        status, rank = task["Status"], int(labels.get(LABEL_RANK, -1))
        code = (status.get("ContainerStatus") or {}).get("ExitCode")
        newest.setdefault(labels[LABEL_RUN], {})[rank] = Task(
            rank, str(status["State"]), status.get("Err"), code, str(status.get("Timestamp", ""))
        )
    return {run: tuple(ranks[rank] for rank in sorted(ranks)) for run, ranks in newest.items()}
