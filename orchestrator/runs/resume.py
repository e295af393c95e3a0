"""What is deployed to resume a run.

A record lies on the nodes, so it is no recipe of this computer's.
"""

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace

from pydantic import ValidationError

from orchestrator.errors import RunError, SpecError
from orchestrator.facts.machine import Machine
from orchestrator.runs.launch import Prepared, prepare
from orchestrator.runs.run import Run
from orchestrator.spec.cluster import ClusterSpec
from orchestrator.spec.load import load_stack
from orchestrator.spec.sentences import WORDS
from orchestrator.spec.shipped import stack_names
from orchestrator.spec.stack import StackSpec
from orchestrator.stack.environment import with_debug
from orchestrator.stack.powers import powers_of
from training.contract.sentences import told


def prepare_resume(
    spec: ClusterSpec,
    run: Run,
    world: Mapping[str, Machine],
    agree: Callable[[Sequence[str]], None],
    environ: Mapping[str, str] = os.environ,
    *,
    debug: bool = False,
) -> Prepared:
    """What to deploy to resume a run, on the machines as they are now; `debug`: verbosely.

    A record lies on the nodes, so it is no recipe of this computer's. What it would do beyond
    training, and the shipped recipe of its name does not, is given to `agree` in lines, which
    raises when nobody wants that. Of secrets only the names are taken from it: a value comes from
    the environment, or from the file that the shipped recipe names.

    Raises RunError for a run that still runs or has succeeded, or whose ranks would be on other
    nodes (each has its part of the checkpoint), and SpecError for a secret that is not there.
    """
    if run.live:
        raise RunError(f"{run.name} is {run.state}", resolution=f"sparkctl runs follow {run.name}")
    if run.state == "succeeded":
        raise RunError(f"{run.name} has succeeded: there is nothing to resume")
    stack, shipped = _stack_of(run), _shipped(run)
    known = {power.line for power in powers_of(shipped)} if shipped else set()
    if asked := [power.line for power in powers_of(stack) if power.line not in known]:
        agree(asked)
    stack = with_debug(stack) if debug else stack
    prepared = prepare(spec, stack, world, environ, run=run.name, is_new=False)
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
            details=told(invalid, WORDS)[0],
            resolution="Resume it with that version, or start a new run: sparkctl train",
        ) from None
    # A record has every default; what nobody has set is for the engine to decide.
    stack = StackSpec.model_validate(stack.model_dump(exclude_defaults=True))
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


def _listed(places: Iterable[tuple[int, str, str]]) -> str:
    return ", ".join(f"rank {rank} on {node} in {folder}" for rank, node, folder in places)
