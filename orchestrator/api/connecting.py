"""From the cluster file to connected machines, some of which may be away."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from orchestrator.api.person import Person
from orchestrator.errors import ConnectError, SparkctlError
from orchestrator.node.connect import connect_available
from orchestrator.node.node import Node
from orchestrator.node.parallel import raise_all
from orchestrator.spec.cluster import ClusterSpec
from orchestrator.spec.load import load_cluster

Away = Literal["refuse", "skip-workers", "skip", "keep"]
"""What happens to nodes that cannot be reached. `refuse`: an error. `skip-workers`: a worker that
does not answer is skipped (a refused login or host key stays an error). `skip`: the manager too.
`keep`: the other nodes are used, whatever the error is."""


def spec_of(cluster: ClusterSpec | Path | str) -> ClusterSpec:
    """The cluster file, or what was read from it. Raises SpecError."""
    return cluster if isinstance(cluster, ClusterSpec) else load_cluster(Path(cluster))


@contextmanager
def machines(
    spec: ClusterSpec, person: Person, away: Away
) -> Iterator[tuple[dict[str, Node], dict[str, SparkctlError]]]:
    """Connected nodes, and the errors of those that are skipped."""
    with connect_available(spec, ask_passphrase=person.passphrase) as (nodes, errors):
        skipped = {n: error for n, error in errors.items() if _is_skipped(n, error, spec, away)}
        raise_all({name: error for name, error in errors.items() if name not in skipped})
        yield nodes, skipped


def _is_skipped(name: str, error: SparkctlError, spec: ClusterSpec, away: Away) -> bool:
    """Subclasses of ConnectError are of machines that did answer."""
    if away == "skip-workers" and name == spec.manager.name:
        return False
    return away == "keep" or (away != "refuse" and type(error) is ConnectError)
