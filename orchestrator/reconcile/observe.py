"""Read every machine once, all at the same time."""

from collections.abc import Callable, Mapping
from typing import Generic, TypeVar

from orchestrator.errors import PasswordNeededError, SparkctlError
from orchestrator.facts.machine import Facts, Machine
from orchestrator.facts.probe import read_facts, read_machine
from orchestrator.node.node import Node
from orchestrator.node.parallel import raise_all, try_each
from orchestrator.spec.cluster import ClusterSpec, PathsSpec

AskPassword = Callable[[], str | None]
M = TypeVar("M")


def observe(
    spec: ClusterSpec, nodes: Mapping[str, Node], *, ask: AskPassword = lambda: None
) -> dict[str, Facts]:
    """Everything, in one exec per node; raises every node's error."""
    return _all_of_them(Observation(spec, nodes, read_facts), ask)


def observe_machines(
    spec: ClusterSpec, nodes: Mapping[str, Node], *, ask: AskPassword = lambda: None
) -> dict[str, Machine]:
    """What a run needs, likewise."""
    return _all_of_them(Observation(spec, nodes, read_machine), ask)


def try_observe(
    spec: ClusterSpec, nodes: Mapping[str, Node], *, ask: AskPassword = lambda: None
) -> tuple[dict[str, Facts], dict[str, SparkctlError]]:
    """The facts of the nodes that could be read, and the errors of the others."""
    read = Observation(spec, nodes, read_facts)
    read.ask(ask)
    return read.found, read.errors


def _all_of_them(read: "Observation[M]", ask: AskPassword) -> dict[str, M]:
    """Nobody is asked for a password when a node could not be read for another reason anyway."""
    if len(read.waiting) == len(read.errors):
        read.ask(ask)
    raise_all(read.errors)
    return read.found


class Observation(Generic[M]):
    """All nodes read once, and those that wait for a sudo password perhaps once more."""

    def __init__(
        self, spec: ClusterSpec, nodes: Mapping[str, Node], read: Callable[[Node, PathsSpec], M]
    ) -> None:
        self._spec, self._nodes, self._read = spec, nodes, read
        self._known, self.errors = try_each(nodes, self._one)

    @property
    def found(self) -> dict[str, M]:
        """By node, in the order of the cluster file."""
        return {name: self._known[name] for name in self._nodes if name in self._known}

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
        self._known |= again
        self.errors = {n: e for n, e in self.errors.items() if n not in again} | refused

    def _one(self, name: str) -> M:
        return self._read(self._nodes[name], self._spec.paths)
