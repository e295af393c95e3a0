"""What a recipe would deploy, as it can be shown before anything is done."""

from dataclasses import dataclass

from orchestrator.api.person import Person
from orchestrator.errors import ConnectError, NodeErrors, SparkctlError
from orchestrator.node.connect import connect_all
from orchestrator.reconcile.observe import observe_machines
from orchestrator.runs.launch import Prepared, prepare
from orchestrator.runs.naming import require_name
from orchestrator.spec.cluster import ClusterSpec
from orchestrator.spec.stack import StackSpec
from orchestrator.stack.powers import powers_of
from orchestrator.stack.secret import secret_sources

__all__ = ["Prepared", "Preview", "preview"]


@dataclass(frozen=True)
class Preview:
    """Nothing of it has been done."""

    prepared: Prepared
    powers: tuple[str, ...]
    """What the recipe does besides training, in lines, but for its secrets."""
    secrets: dict[str, str]
    """Where the value of each comes from, in words."""
    unreached: tuple[SparkctlError, ...] = ()
    """Machines that do not answer: what only they know is shown as `<…>`."""


def preview(
    spec: ClusterSpec, stack: StackSpec, person: Person, *, name: str | None = None
) -> Preview:
    """Raises what prevents the run, except for machines that do not answer. `name`: the run's own;
    whether it is free is asked when the run is prepared."""
    unreached: tuple[SparkctlError, ...] = ()
    run = name and require_name(name)
    try:
        with connect_all(spec, ask_passphrase=person.passphrase) as nodes:
            world = observe_machines(spec, nodes, ask=person.sudo_password)
        prepared = prepare(spec, stack, world, run=run)
    except SparkctlError as error:
        unreached = tuple(error.errors) if isinstance(error, NodeErrors) else (error,)
        if not all(isinstance(one, ConnectError) for one in unreached):
            raise
        prepared = prepare(spec, stack, None, run=run)
    powers = tuple(power.line for power in powers_of(stack) if power.key[0] != "secrets")
    return Preview(prepared, powers, dict(secret_sources(stack)), unreached)
