"""Stop a run, start it again, take it away."""

import os
import shlex
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace

from pydantic import ValidationError

from orchestrator.errors import RunError, SpecError
from orchestrator.node.facts import Machine
from orchestrator.node.node import Node
from orchestrator.node.parallel import on_each
from orchestrator.runs.launch import Prepared, prepare
from orchestrator.runs.peek import PEEK, runs_folder
from orchestrator.runs.reading import Run, Unreadable, read_runs
from orchestrator.runs.state import LIVE
from orchestrator.runs.verdict import Outcome, broken, told
from orchestrator.spec.cluster import ClusterSpec
from orchestrator.spec.load import load_stack, stack_names
from orchestrator.spec.stack import StackSpec
from orchestrator.stack.deploy import let_leave, remove
from orchestrator.stack.powers import powers_of
from training.contract.files import RECORDS, STOP, RankFiles, is_run_name

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
    """Ask all ranks to save after the step at hand and to end; take the services off the swarm.

    Ranks that do not come to an end within the stack's grace are ended by Swarm.
    """
    if run.state not in LIVE:
        raise RunError(f"{run.name} does not run: {run.state}")
    places = {place.node: place for place in run.record.ranks}
    require_nodes(run, nodes)
    on_each(places, lambda name: nodes[name].script(_stop(places[name].folder), need="docker"))
    end = time.monotonic() + _grace(run) + _MARGIN
    while run.state in LIVE and time.monotonic() < end:
        sleep(_POLL)
        run = read_runs(spec, nodes, only=run.name).find(run.name)
    manager = nodes[spec.manager.name]
    if run.verdict is not None:
        let_leave(manager, run.name, sleep=sleep)
    remove(manager, run.name)
    if run.verdict is not None:
        return told(run.verdict)
    return broken(run.name, {place.rank: place.node for place in run.record.ranks}, ())


def require_nodes(run: Run, nodes: Mapping[str, Node]) -> None:
    """Raises RunError when the cluster file lacks a machine that has a part of the run."""
    missing = [place.node for place in run.record.ranks if place.node not in nodes]
    if missing:
        raise RunError(
            f"{run.name} has a rank on {missing[0]}, which is not in the cluster file",
            resolution="Put the node back into the cluster file.",
        )


def _stop(folder: str) -> str:
    """What a container may have put there in its place is neither followed nor waited for."""
    return (
        f"cd {shlex.quote(folder)} && "
        f"dd if=/dev/null of={STOP} oflag=nofollow,nonblock conv=notrunc status=none"
    )


def _grace(run: Run) -> float:
    """Seconds; of a record that says something else, the most that a stack may say."""
    seconds = run.record.stack.get("stop_grace_seconds", 30)
    fits = isinstance(seconds, int | float) and 0 <= seconds <= _MOST_GRACE
    return float(seconds) if fits else _MOST_GRACE


def again(
    spec: ClusterSpec,
    run: Run,
    world: Mapping[str, Machine],
    agree: Callable[[Sequence[str]], None],
    environ: Mapping[str, str] = os.environ,
) -> Prepared:
    """What is to be deployed for a run to go on, on the machines as they are now.

    A record lies on the nodes, so it is no recipe of this computer's. What it would do beyond
    training, and the shipped recipe of its name does not, is given to `agree` in lines, which
    raises when nobody wants that. Of secrets only the names are taken from it: a value comes from
    the environment, or from the file that the shipped recipe names.

    Raises RunError for a run that still runs or has succeeded, or whose ranks would be on other
    nodes (each has its part of the checkpoint), and SpecError for a secret that is not there.
    """
    if run.state in LIVE:
        raise RunError(f"{run.name} is {run.state}", resolution=f"sparkctl runs follow {run.name}")
    if run.state == "succeeded":
        raise RunError(f"{run.name} has succeeded: there is nothing to go on with")
    stack, shipped = _stack_of(run), _shipped(run)
    known = {power.line for power in powers_of(shipped)} if shipped else set()
    if asked := [power.line for power in powers_of(stack) if power.line not in known]:
        agree(asked)
    prepared = prepare(spec, stack, world, environ, run=run.name)
    missing = [name for name in run.record.secrets if name not in prepared.secrets]
    if missing:
        raise SpecError(
            f"{run.name} was started with the secret {missing[0]}",
            resolution=f"Set it again: export {missing[0]}=… (values are kept nowhere).",
        )
    was = [(place.rank, place.node, place.folder) for place in run.record.ranks]
    now = [(place.rank, place.node, place.folder) for place in prepared.record.ranks]
    if was != now:
        raise RunError(
            f"the ranks of {run.name} would not be where they were",
            details=f"{_listed(was)}\nnow: {_listed(now)}",
            resolution="Put the nodes into the cluster file as they were then: each rank's "
            "checkpoint is on its node.",
        )
    record = prepared.record.model_copy(update={"created": run.record.created})
    return replace(prepared, record=record)


def _stack_of(run: Run) -> StackSpec:
    """The stack as it was, on as many nodes as it was; but no file of this computer is in it."""
    try:
        stack = StackSpec.model_validate(run.record.stack)
    except ValidationError as invalid:
        raise RunError(
            f"{run.name} was started by another version of sparkctl",
            details=str(invalid.errors()[0]["msg"]),
            resolution="Go on with that version, or start it anew: sparkctl train",
        ) from None
    nodes = stack.nodes.model_copy(update={"max": len(run.record.ranks)})
    shipped = _shipped(run)
    files = {secret.name: secret.file for secret in shipped.secrets} if shipped else {}
    secrets = [
        secret.model_copy(update={"file": files.get(secret.name)}) for secret in stack.secrets
    ]
    return stack.model_copy(update={"nodes": nodes, "secrets": secrets})


def _shipped(run: Run) -> StackSpec | None:
    """The recipe of this computer that the run's stack has the name of."""
    name = run.record.stack_name
    return load_stack(name) if name in stack_names() else None


def log_sizes(run: Run, nodes: Mapping[str, Node]) -> dict[int, int]:
    """How many bytes the log of each rank has already."""
    places = {place.node: place for place in run.record.ranks}
    require_nodes(run, nodes)

    def size(name: str) -> int:
        log = shlex.quote(f"{places[name].folder}/{RankFiles(places[name].rank).log}")
        return int(nodes[name].script(f"{PEEK}\nsize {log}", need="docker"))

    sizes = on_each(places, size)
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
    script = f"""\
{runs_folder(spec.paths.runs)}
cd "$folder" 2>/dev/null || exit 0
rm -rf --one-file-system -- {run.name} {RECORDS}/{run.name}
rmdir {RECORDS} 2>/dev/null || :
[ ! -d {run.name} ]
"""
    on_each(nodes, lambda name: nodes[name].script(script, need="docker"))


def _listed(places: Iterable[tuple[int, str, str]]) -> str:
    return ", ".join(f"rank {rank} on {node} in {folder}" for rank, node, folder in places)
