"""The name of a run, where a person chooses it: what it may be, and that nothing has it."""

import shlex
from collections.abc import Mapping

from orchestrator.errors import RunError, SpecError
from orchestrator.node.docker_errors import translate_docker_errors
from orchestrator.node.node import Node
from orchestrator.node.parallel import on_each
from orchestrator.runs.reading import RunIndex
from orchestrator.runs.run import Run, Unreadable
from orchestrator.templates import render_template
from training.contract.files import is_run_name

_STACK = "com.docker.stack.namespace"
"""The label that `docker stack deploy` gives to the services of a stack."""
NEWEST = "last"
"""Stands for the newest run wherever a run is named."""


def require_name(name: str) -> str:
    """The name. Raises SpecError for one that no run can have."""
    if name == NEWEST:
        raise SpecError(
            f"no run can be called {name}: that is always the newest one",
            resolution="Take another name: --name my-run-1",
        )
    if not is_run_name(name):
        raise SpecError(
            f"{name!r} is not a name for a run",
            resolution="It is at most 37 lower-case letters, digits and dashes, no dash first or "
            "last: --name my-run-1",
        )
    return name


def require_free(
    name: str, known: RunIndex, runs: str, nodes: Mapping[str, Node], manager: Node
) -> None:
    """Raises RunError when a run, a folder in `paths.runs` (`runs`) of a node, or a stack of the
    swarm has this name."""
    everything: tuple[Run | Unreadable, ...] = (*known.runs, *known.unreadable)
    for run in everything:
        if run.name == name:
            state = "it runs" if run.live else f"it is {run.state}"
            raise RunError(
                f"there is a run {name} already: {state}",
                resolution=f"Take another name. To look at it: sparkctl runs show {name}\n"
                f"To delete it: sparkctl runs rm {name}",
            )
    script = render_template("runs/taken.sh.j2", runs=runs, run=name)
    there = on_each(nodes, lambda node: nodes[node].script(script, need="docker").strip())
    for node, folder in there.items():
        if folder:
            raise RunError(
                f"{node} has something of that name: {shlex.quote(folder)}",
                resolution="It belongs to no run. Take another name, or move it away.",
                node=node,
            )
    with translate_docker_errors(manager.name):
        found = manager.docker.api.services(filters={"label": f"{_STACK}={name}"})
    if found:
        raise RunError(
            f"the swarm has a stack {name} already",
            resolution=f"Take another name. What it is: docker stack services {name}, on "
            f"{manager.name}",
        )
