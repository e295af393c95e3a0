"""What a recipe would deploy, as it can be shown before anything is done."""

from pathlib import Path

from orchestrator.api.person import Person
from orchestrator.doctor.readiness import NodeReadiness
from orchestrator.errors import ConnectError, NodeErrors, SparkctlError
from orchestrator.node.connect import connect_all
from orchestrator.reconcile.observe import observe_machines
from orchestrator.runs.base_model import looking_up
from orchestrator.runs.foresee import foresee
from orchestrator.runs.launch import prepare
from orchestrator.runs.naming import require_name
from orchestrator.runs.outlook import DryRun
from orchestrator.runs.survey import read
from orchestrator.spec.cluster import ClusterSpec
from orchestrator.spec.stack import StackSpec
from orchestrator.stack.powers import powers_of
from orchestrator.stack.secret import secret_sources
from training.contract.config import Data
from training.contract.names import source_of

__all__ = ["DryRun", "preview"]


def preview(
    spec: ClusterSpec, stack: StackSpec, person: Person, *, name: str | None = None
) -> DryRun:
    """Nothing of it is done. Raises what prevents the run, except for machines that do not answer.

    Two round trips: what the machines are, and how ready they are now. Meanwhile the Hub is asked
    for config.json of a base that is not known here. `name`: the run's own; whether it is free is
    asked when the run is prepared.
    """
    readings: dict[str, NodeReadiness] = {}
    unread: tuple[SparkctlError, ...] = ()
    run = name and require_name(name)
    base = looking_up(stack)
    try:
        with connect_all(spec, ask_passphrase=person.passphrase) as nodes:
            world = observe_machines(spec, nodes, ask=person.sudo_password)
            prepared = prepare(spec, stack, world, run=run, base=base.result())
            readings = read(spec, prepared, nodes)
    except SparkctlError as error:
        unread = tuple(error.errors) if isinstance(error, NodeErrors) else (error,)
        if not all(isinstance(one, ConnectError) for one in unread):
            raise
        prepared = prepare(spec, stack, None, run=run, base=base.result())
    powers = [power.line for power in powers_of(stack) if power.key[0] != "secrets"]
    found = foresee(prepared, readings, secrets=secret_sources(stack), powers=powers, unread=unread)
    if stack.training is None or not _is_at_hand(stack.training.data, Path()):
        return found
    from orchestrator.api.data import glimpse  # what counts tokens is for who looks at data

    sharded = found.memory is not None and found.memory.strategy == "sharded"
    return found.model_copy(update={"data": glimpse(stack.training, Path(), sharded=sharded)})


def _is_at_hand(data: Data, folder: Path) -> bool:
    """Whether this computer has its data: built in, or in a file of that name in `folder`."""
    name = data.name
    if name is None or source_of(name) == "hub":
        return False
    beside = not Path(name).is_absolute() and (folder / name).exists()
    return beside or source_of(name) == "builtin"
