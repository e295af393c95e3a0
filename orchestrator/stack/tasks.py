"""What Swarm reports of the ranks of runs."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from orchestrator.names import LABEL_RANK, LABEL_RUN
from orchestrator.node.docker_errors import translate_docker_errors
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
    wants: str | None = None
    """ID of the swarm's node that it is pinned to."""
    container: str | None = None
    """ID of its container, once it has one."""


def read_tasks(manager: Node, run: str | None = None) -> list[Mapping[str, Any]]:
    """Swarm's tasks of a run, or of all runs. Raises RemoteError."""
    label = LABEL_RUN if run is None else f"{LABEL_RUN}={run}"
    with translate_docker_errors(manager.name):
        found: list[Mapping[str, Any]] = manager.docker.api.tasks(filters={"label": label})
    return found


def newest_tasks(tasks: list[Mapping[str, Any]]) -> dict[str, tuple[Task, ...]]:
    """The newest task of every rank, by run."""
    newest: dict[str, dict[int, Task]] = {}
    for task in sorted(tasks, key=lambda task: str(task["CreatedAt"])):
        labels = task["Spec"]["ContainerSpec"].get("Labels") or {}
        number = str(labels.get(LABEL_RANK, ""))
        if LABEL_RUN not in labels or not (number.isdecimal() and len(number) < 10):
            continue
        status, rank = task["Status"], int(number)
        container = status.get("ContainerStatus") or {}
        newest.setdefault(labels[LABEL_RUN], {})[rank] = Task(
            rank, str(status["State"]), status.get("Err"), container.get("ExitCode"),
            str(status.get("Timestamp", "")), _pinned_to(task),
            container.get("ContainerID") or None,
        )  # fmt: skip
    return {run: tuple(ranks[rank] for rank in sorted(ranks)) for run, ranks in newest.items()}


def missing_nodes(manager: Node, tasks: Iterable[Task]) -> dict[int, str]:
    """By rank: why the swarm cannot use the node that the rank is pinned to. Raises RemoteError."""
    with translate_docker_errors(manager.name):
        there = {str(node["ID"]): node for node in manager.docker.api.nodes()}
    missing = {}
    for task in tasks:
        if task.wants is None:
            continue
        node = there.get(task.wants)
        state = "" if node is None else str((node.get("Status") or {}).get("State"))
        if node is None:
            missing[task.rank] = "it has left the swarm"
        elif state != "ready":
            missing[task.rank] = f"it is {state}"
    return missing


def _pinned_to(task: Mapping[str, Any]) -> str | None:
    placement = task["Spec"].get("Placement") or {}
    for constraint in placement.get("Constraints") or ():
        what, equals, node = str(constraint).partition("==")
        if equals and what.strip() == "node.id":
            return node.strip()
    return None
