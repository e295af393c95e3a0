"""Read every machine once, all at the same time."""

from collections.abc import Callable, Mapping

from orchestrator.errors import PasswordNeededError, SparkctlError
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
    """One exec per node; raises every node's error.

    Nobody is asked for a password when a node could not be read for another reason anyway.
    """
    read = Reading(spec, nodes, need)
    if len(read.waiting) == len(read.errors):
        read.ask(ask)
    raise_all(read.errors)
    return read.facts


def try_observe(
    spec: ClusterSpec, nodes: Mapping[str, Node], *, ask: AskPassword = lambda: None
) -> tuple[dict[str, Facts], dict[str, SparkctlError]]:
    """The facts of the nodes that could be read, and the errors of the others."""
    read = Reading(spec, nodes, "root")
    read.ask(ask)
    return read.facts, read.errors


class Reading:
    """All nodes read once, and those that wait for a sudo password perhaps once more."""

    def __init__(self, spec: ClusterSpec, nodes: Mapping[str, Node], need: Need) -> None:
        self._spec, self._nodes, self._need = spec, nodes, need
        self._read, self.errors = try_each(nodes, self._one)

    @property
    def facts(self) -> dict[str, Facts]:
        """By node, in the order of the cluster file."""
        return {name: self._read[name] for name in self._nodes if name in self._read}

    @property
    def waiting(self) -> list[str]:
        """Nodes whose sudo wants a password that nobody gave."""
        return [n for n, e in self.errors.items() if isinstance(e, PasswordNeededError)]

    def ask(self, ask: AskPassword) -> None:
        """Ask once for all nodes that wait; None as an answer means that nobody can be asked."""
        waiting = self.waiting
        if not waiting or (password := ask()) is None:
            return
        for name in waiting:
            self._nodes[name].sudo_password = password
        again, refused = try_each(waiting, self._one)
        self._read |= again
        self.errors = {n: e for n, e in self.errors.items() if n not in again} | refused

    def _one(self, name: str) -> Facts:
        return read_facts(self._nodes[name], self._spec.paths, need=self._need)
