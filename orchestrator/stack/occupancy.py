"""What occupies the swarm when a run is to start: finished runs are removed, another one blocks.

A run has ended when all its ranks exited with 0, which they do only with a verdict, or when it has
a verdict and its ranks are gone, or hang. One that broke otherwise is left for who looks for the
reason: it holds no GPU.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from orchestrator.errors import BusyError
from orchestrator.names import LABEL_RUN
from orchestrator.node.docker_errors import translate_docker_errors
from orchestrator.node.node import Node
from orchestrator.stack.deploy import remove, wait_for_exit
from orchestrator.stack.tasks import DONE, Task, newest_tasks, read_tasks

Judged = Callable[[str], bool]
"""Whether a run has a verdict; called only for those whose tasks do not show it."""


@dataclass(frozen=True)
class Occupancy:
    """Runs on the swarm: those that have ended, and those that hold GPUs."""

    over: tuple[str, ...] = ()
    busy: tuple[str, ...] = ()


def occupancy(tasks: Mapping[str, Iterable[Task]], judged: Judged) -> Occupancy:
    """From the newest tasks of every run."""
    over: list[str] = []
    busy: list[str] = []
    for run, of_run in tasks.items():
        states = {task.state for task in of_run}
        if states == {"complete"} or judged(run):
            over.append(run)
        elif states - DONE:
            busy.append(run)
    return Occupancy(tuple(over), tuple(busy))


def require_free_gpus(manager: Node, judged: Judged) -> Occupancy:
    """The runs on the swarm. Changes nothing; raises BusyError when a run holds GPUs."""
    found = occupancy(newest_tasks(read_tasks(manager)), judged)
    for run_name in found.busy:
        raise BusyError(
            f"the GPUs are in use by the run {run_name}",
            resolution=f"Watch it: sparkctl runs follow {run_name}\n"
            f"End it: sparkctl runs stop {run_name}\nWait for it: sparkctl train --queue …",
        )
    return found


def remove_finished_runs(manager: Node, judged: Judged) -> None:
    """Take runs that have ended off the swarm, and secrets and configs that no run has any more.

    Under the launch lock: else they may be those of a run that is just being started. Raises
    BusyError, and takes nothing off, when a run holds GPUs.
    """
    for run in require_free_gpus(manager, judged).over:
        wait_for_exit(manager, run)
        remove(manager, run)
    for run in _without_services(manager):
        remove(manager, run)


def _without_services(manager: Node) -> list[str]:
    """Of controllers that were killed between two steps."""
    client, labelled = manager.docker, {"label": LABEL_RUN}
    with translate_docker_errors(manager.name):
        kept = [*client.secrets.list(filters=labelled), *client.configs.list(filters=labelled)]
        served = {_run_of(service) for service in client.services.list(filters=labelled)}
    return sorted({_run_of(thing) for thing in kept} - served)


def _run_of(thing: Any) -> str:
    return str(thing.attrs["Spec"]["Labels"][LABEL_RUN])
