"""Membership in the swarm: one resource for the manager, one for each worker.

Everything goes over the Docker API: the join token is fetched when it is used and is never an
argument of a command, nor in a log or a journal.
"""

from abc import abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

from orchestrator.errors import ChangeError
from orchestrator.facts.docker import BRIDGE
from orchestrator.facts.machine import Facts
from orchestrator.names import LABEL_CLUSTER, LABEL_NODE
from orchestrator.node.node import Node
from orchestrator.resources.base import Change, Resource, Stage, State, WayBack, World
from orchestrator.resources.fabric import fabric_ports
from orchestrator.spec.cluster import ClusterSpec

PORT = 2377


@dataclass(frozen=True)
class SwarmMember(Resource):
    """What manager and worker have in common.

    Its state is role, address and labels; outside of a swarm only whether Docker's bridge is there,
    which the way back needs to know.
    """

    kind: ClassVar[str] = "swarm"

    address: str
    cluster: str
    manager: str
    """Name of the manager's node; for the manager itself its own."""

    @classmethod
    def recorded(cls, fields: Mapping[str, Any], node: str) -> Self:
        """A manager is its own manager under its present name too."""
        is_own = fields["manager"] == fields["node"]
        return super().recorded({**fields, "manager": node} if is_own else fields, node)

    @property
    def labels(self) -> dict[str, str]:
        """Labels of the swarm node: by these any other laptop knows which machine this is."""
        return {LABEL_CLUSTER: self.cluster, LABEL_NODE: self.node}

    def observe(self, world: World) -> State:
        facts = world[self.node]
        if facts.swarm_state == "inactive":
            return {"role": None, "bridge": BRIDGE in facts.networks}
        return {
            "role": "manager" if facts.swarm.get("ControlAvailable") else "worker",
            "address": facts.swarm.get("NodeAddr"),
            "labels": _ours(self._all_labels(world)),
        }

    def made_by_us(self, world: World) -> bool:
        """Whether the swarm that the node is in is the one that this cluster made.

        Known by our label, and where the manager cannot be asked by the addresses of the swarm.
        Where nothing is shown, as of a locked swarm, the journal decides.
        """
        if self._all_labels(world).get(LABEL_CLUSTER) == self.cluster:
            return True
        known = self._swarm_addresses(world[self.node])
        return not known or self._swarm_address in known

    def is_on_disk(self, kept: Mapping[str, Any]) -> bool:
        """Whether dockerd's files of a swarm are of ours; for a torn file the journal decides.

        A node that joined keeps its manager's address, one that made its swarm only its own.
        """
        known = str(kept.get("RemoteAddr") or kept.get("AdvertiseAddr") or "")
        return not kept or (known.rpartition(":")[0] or known) == self._swarm_address

    def reverted(self, world: World, original: State | None, written: State) -> State | None:
        now = self.observe(world)
        return original if not _is_member(now) or self.made_by_us(world) else now

    def absent(self, state: State | None) -> bool:
        return state is None or state.get("role", True) is None

    def why_kept(self, world: World, original: State | None) -> str:
        return "it is in a swarm that sparkctl did not make, and stays there"

    def notes(self, world: World, before: State | None, after: State | None) -> tuple[str, ...]:
        facts = world[self.node]
        running = [name for name in facts.run_containers if name in facts.containers]
        if running and not _is_member(after):
            return (f"training containers end: {', '.join(running)}",)
        return ()

    def summary(self, before: State | None, after: State | None) -> str:
        if not _is_member(after):
            return self._leaving
        return "label the swarm node" if _is_member(before) else self._entering

    def apply(self, nodes: Mapping[str, Node], change: Change) -> None:
        from orchestrator.resources.actions.swarm_leave import leave, remove_bridge, update

        if not _is_member(change.after):
            leave(nodes, self.node, self.manager)
            if not (change.after and change.after["bridge"]):
                remove_bridge(nodes[self.node])
            return
        if not _is_member(change.before):
            self._enter(nodes)
        node_id = nodes[self.node].docker.info()["Swarm"]["NodeID"]
        update(
            nodes[self.manager].docker.nodes.get(node_id),
            lambda spec: {**spec, "Labels": {**(spec.get("Labels") or {}), **self.labels}},
        )

    def _all_labels(self, world: World) -> Mapping[str, str]:
        facts = world.get(self.manager)
        return {} if facts is None else labels_of(facts, world[self.node].swarm_node_id)

    @property
    @abstractmethod
    def _swarm_address(self) -> str:
        """Where the manager of our swarm is."""

    def _swarm_addresses(self, facts: Facts) -> set[str]:
        """Where the managers are of the swarm that the node is in, as far as it knows."""
        managers = [str(one.get("Addr")) for one in facts.swarm.get("RemoteManagers") or ()]
        return {address.rpartition(":")[0] for address in managers}

    @property
    def _addresses(self) -> dict[str, Any]:
        """One fixed fabric address for all of the swarm's traffic, as the API wants it."""
        return {
            "advertise_addr": self.address,
            "listen_addr": f"{self.address}:{PORT}",
            "data_path_addr": self.address,
        }

    def _state(self, role: str) -> State:
        return {"role": role, "address": self.address, "labels": self.labels}

    @property
    @abstractmethod
    def _entering(self) -> str:
        """How getting into the swarm is called."""

    @property
    @abstractmethod
    def _leaving(self) -> str:
        """How getting out of it is called."""

    @abstractmethod
    def _enter(self, nodes: Mapping[str, Node]) -> None:
        """Get into the swarm."""


@dataclass(frozen=True)
class SwarmManager(SwarmMember):
    """The first node: makes the swarm."""

    stage: ClassVar[Stage] = Stage.MANAGER

    @classmethod
    def wanted(cls, spec: ClusterSpec, world: World) -> Iterable[Self]:
        name = spec.manager.name
        return [cls(name, fabric_ports(spec, world)[name].address, spec.name, name)]

    @property
    def _swarm_address(self) -> str:
        return self.address

    def _swarm_addresses(self, facts: Facts) -> set[str]:
        own = facts.swarm.get("NodeAddr")
        return super()._swarm_addresses(facts) or ({str(own)} if own else set())

    def desired(self, world: World) -> State:
        return self._state("manager")

    @property
    def _entering(self) -> str:
        return f"make a swarm on {self.address}"

    @property
    def _leaving(self) -> str:
        return "leave the swarm, which ends with it"

    def _enter(self, nodes: Mapping[str, Node]) -> None:
        nodes[self.node].docker.swarm.init(**self._addresses)


@dataclass(frozen=True)
class SwarmWorker(SwarmMember):
    """Every other node: joins the manager's swarm."""

    stage: ClassVar[Stage] = Stage.WORKERS
    place: ClassVar[int] = 10

    manager_address: str

    @classmethod
    def wanted(cls, spec: ClusterSpec, world: World) -> Iterable[Self]:
        manager = spec.manager.name
        addresses = {name: port.address for name, port in fabric_ports(spec, world).items()}
        for name, address in addresses.items():
            if name != manager:
                yield cls(name, address, spec.name, manager, addresses[manager])

    def for_way_back(self, way: WayBack) -> Resource:
        """It leaves the list of its manager, whatever that is called now."""
        return replace(self, manager=way.names.get(self.manager, self.manager))

    @property
    def _swarm_address(self) -> str:
        return self.manager_address

    def desired(self, world: World) -> State:
        return self._state("worker")

    @property
    def _entering(self) -> str:
        return f"join the swarm of {self.manager} as a worker on {self.address}"

    @property
    def _leaving(self) -> str:
        return "leave the swarm"

    def _enter(self, nodes: Mapping[str, Node]) -> None:
        from docker.errors import APIError

        swarm = nodes[self.manager].docker.swarm
        swarm.reload()
        try:
            nodes[self.node].docker.swarm.join(
                remote_addrs=[f"{self.manager_address}:{PORT}"],
                join_token=swarm.attrs["JoinTokens"]["Worker"],
                **self._addresses,
            )
        except APIError as error:
            raise ChangeError(
                f"{self.node} could not join the swarm of {self.manager}",
                details=str(error.explanation or error),
                resolution=f"{self.manager_address}:{PORT} must be reachable from {self.node} "
                "over the fabric (cable, firewall, subnet).",
                node=self.node,
            ) from None


def _is_member(state: State | None) -> bool:
    return state is not None and state["role"] is not None


def labels_of(manager: Facts, node_id: str | None) -> Mapping[str, str]:
    """Labels of a swarm node as its manager lists them; none where that one does not know it."""
    for node in manager.swarm_nodes:
        if node.get("ID") == node_id:
            labels: Mapping[str, str] = node["Spec"].get("Labels") or {}
            return labels
    return {}


def _ours(labels: Mapping[str, str]) -> dict[str, str]:
    return {k: v for k, v in labels.items() if k in (LABEL_CLUSTER, LABEL_NODE)}
