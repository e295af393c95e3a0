"""Read every machine once, all at the same time."""

from collections.abc import Callable, Mapping

from orchestrator.errors import PasswordNeededError
from orchestrator.node.escalate import Need
from orchestrator.node.facts import Facts, read_facts
from orchestrator.node.node import Node
from orchestrator.node.parallel import raise_all, try_each
from orchestrator.spec.cluster import ClusterSpec

AskPassword = Callable[[], str | None]


def observe(
    spec: ClusterSpec,
    nodes: Mapping[str, Node],
    *,
    ask: AskPassword = lambda: None,
    need: Need = "root",
) -> dict[str, Facts]:
    """One exec per node.

    Where sudo wants a password that nobody gave, `ask` is called once for all those nodes, and they
    are read again; None from it means that nobody can be asked.
    """

    def read(name: str) -> Facts:
        return read_facts(nodes[name], spec.paths, need=need)

    world, errors = try_each(nodes, read)
    waiting = [name for name, error in errors.items() if isinstance(error, PasswordNeededError)]
    if waiting and len(waiting) == len(errors) and (password := ask()) is not None:
        for name in waiting:
            nodes[name].sudo_password = password
        again, errors = try_each(waiting, read)
        world |= again
    raise_all(errors)
    return {name: world[name] for name in nodes}
