"""Stop a run, start it again, take it away."""

import base64
import os
import shlex
import time
from collections.abc import Callable, Mapping

from orchestrator.errors import RunError, SpecError
from orchestrator.node.node import Node
from orchestrator.node.parallel import on_each
from orchestrator.runs.reading import Run, read_runs
from orchestrator.runs.record import DEPLOY, DeployRecord
from orchestrator.runs.state import LIVE
from orchestrator.runs.verdict import Verdict, broken, told
from orchestrator.spec.cluster import ClusterSpec
from orchestrator.spec.stack import StackSpec
from orchestrator.stack.deploy import deploy, make_way, remove
from orchestrator.stack.secret import secret_values

_POLL = 0.5
_MARGIN = 30.0
"""Seconds beyond the stack's stop_grace_seconds."""


def stop(
    spec: ClusterSpec,
    run: Run,
    nodes: Mapping[str, Node],
    *,
    sleep: Callable[[float], None] = time.sleep,
) -> Verdict:
    """Ask all ranks to save after the step at hand and to end; take the services off the swarm.

    Ranks that do not come to an end within the stack's grace are ended by Swarm.
    """
    if run.state not in LIVE:
        raise RunError(f"{run.name} does not run: {run.state}")
    places = {place.node: place for place in run.record.ranks}
    on_each(
        places,
        lambda name: nodes[name].script(
            f"touch {shlex.quote(places[name].folder + '/stop')}", need="docker"
        ),
    )
    end = time.monotonic() + float(run.record.stack.get("stop_grace_seconds", 30)) + _MARGIN
    while run.state in LIVE and time.monotonic() < end:
        sleep(_POLL)
        run = read_runs(spec, nodes, only=run.name).find(run.name)
    remove(nodes[spec.manager.name], run.name)
    if run.verdict is not None:
        return told(run.verdict)
    return broken(run.name, {place.rank: place.node for place in run.record.ranks}, ())


def resume(
    spec: ClusterSpec,
    run: Run,
    nodes: Mapping[str, Node],
    environ: Mapping[str, str] = os.environ,
) -> dict[int, int]:
    """Deploy again what was deployed; the ranks go on from the last checkpoint that all have.

    Returns how many bytes the log of each rank has already. Raises RunError for a run that still
    runs or has succeeded, and for a secret that is not there.
    """
    if run.state in LIVE:
        raise RunError(f"{run.name} is {run.state}", resolution=f"sparkctl runs follow {run.name}")
    if run.state == "succeeded":
        raise RunError(f"{run.name} has succeeded: there is nothing to go on with")
    manager = nodes[spec.manager.name]
    deployed = _deployed(manager, run)
    secrets = _secrets(run, deployed, environ)
    remove(manager, run.name)
    make_way(manager)
    places = {place.node: place for place in run.record.ranks}

    def clear(name: str) -> str:
        place = places[name]
        return nodes[name].script(
            f"cd {shlex.quote(place.folder)}\nrm -f stop verdict-rank*.json\n"
            f"stat -c %s log-rank{place.rank}.txt 2>/dev/null || echo 0",
            need="docker",
        )

    sizes = on_each(places, clear)
    deploy(manager, deployed.rendered(run.record), secrets)
    return {places[name].rank: int(size) for name, size in sizes.items()}


def delete(spec: ClusterSpec, run: Run, nodes: Mapping[str, Node]) -> None:
    """Take a run off the swarm and its folder off every node. Raises RunError when it runs."""
    if run.state in LIVE:
        raise RunError(
            f"{run.name} is {run.state}",
            resolution=f"First: sparkctl runs stop {run.name}",
        )
    remove(nodes[spec.manager.name], run.name)
    folders = {place.node: shlex.quote(place.folder) for place in run.record.ranks}
    on_each(folders, lambda name: nodes[name].script(f"rm -rf -- {folders[name]}", need="docker"))


def _deployed(manager: Node, run: Run) -> DeployRecord:
    place = run.record.ranks[0]
    file = shlex.quote(f"{place.folder}/{DEPLOY}")
    output = manager.script(f"base64 {file}", need="docker")
    return DeployRecord.model_validate_json(base64.b64decode(output))


def _secrets(run: Run, deployed: DeployRecord, environ: Mapping[str, str]) -> Mapping[str, str]:
    values = secret_values(StackSpec.model_validate(run.record.stack), environ)
    missing = [name for name, _ in deployed.secrets if name not in values]
    if missing:
        raise SpecError(
            f"{run.name} was started with the secret {missing[0]}",
            resolution=f"Set it again: export {missing[0]}=… (values are kept nowhere).",
        )
    return values
