"""The machines of a cluster, all of them, or those that are switched on."""

from collections.abc import Iterator
from contextlib import contextmanager

from orchestrator.cli.asking import ask_passphrase
from orchestrator.errors import ConnectError
from orchestrator.node.connect import reachable
from orchestrator.node.node import Node
from orchestrator.node.parallel import raise_all
from orchestrator.spec.cluster import ClusterSpec
from orchestrator.ui.console import err


@contextmanager
def reached(
    spec: ClusterSpec, *, skip_offline: bool, manager_too: bool = True
) -> Iterator[tuple[dict[str, Node], list[str]]]:
    """The connected nodes, and the names of those that are skipped because nobody answers there.

    A node that answers but lets nobody in is an error all the same, and so is a manager that is
    offline, unless `manager_too`.
    """
    with reachable(spec, ask_passphrase=ask_passphrase) as (nodes, errors):
        skipped = {
            name: error
            for name, error in errors.items()
            # Not its subclasses: a refused login or host key is not "offline".
            if skip_offline
            and type(error) is ConnectError
            and (manager_too or name != spec.manager.name)
        }
        raise_all({name: error for name, error in errors.items() if name not in skipped})
        for error in skipped.values():
            err().print(f"skipped: {error.brief}", style="yellow")
        yield nodes, list(skipped)
