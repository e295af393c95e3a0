"""The locks that keep two computers apart while one changes the machines or starts a run."""

from collections.abc import Iterable, Mapping

from orchestrator.api.person import Person, Question
from orchestrator.node.node import Node
from orchestrator.reconcile.lock import CHANGES, LAUNCH, Held, Place, break_locks, read_locks
from orchestrator.reconcile.observe import observe
from orchestrator.spec.cluster import ClusterSpec

__all__ = ["CHANGES", "LAUNCH", "Held", "Locks", "Place"]


class Locks:
    """Those of a cluster's machines; made by `Cluster.locks`."""

    def __init__(self, spec: ClusterSpec, nodes: Mapping[str, Node], person: Person) -> None:
        self._spec, self._nodes, self._person = spec, nodes, person
        observe(spec, nodes, ask=person.sudo_password)  # finds the way to root

    def read(self, place: Place) -> dict[str, Held | None]:
        """Who holds it, by machine; None where it is free."""
        return read_locks(self._where(place), place)

    def take_away(self, place: Place, names: Iterable[str]) -> None:
        """Remove it on these machines, whoever holds it. Raises DeclinedError."""
        where = self._where(place)
        nodes = {name: where[name] for name in names}
        text = f"Break the locks of {', '.join(nodes)} of cluster {self._spec.name!r}?"
        self._person.agree(Question("locks", text))
        break_locks(nodes, place)

    def _where(self, place: Place) -> Mapping[str, Node]:
        """CHANGES is on all machines, LAUNCH on the one where runs are started."""
        manager = self._spec.manager.name
        return self._nodes if place == CHANGES else {manager: self._nodes[manager]}
