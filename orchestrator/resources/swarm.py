"""Membership in the swarm: one resource for the manager, one for each worker.

Everything goes over the Docker API: the join token is fetched when it is used and is never an
argument of a command, nor in a log or a journal.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import docker
import tenacity

from orchestrator.errors import ChangeError
from orchestrator.names import LABEL_CLUSTER, LABEL_NODE
from orchestrator.node.facts import Facts
from orchestrator.node.node import Node
from orchestrator.resources.base import Change, Stage, State, World

PORT = 2377
BRIDGE = "docker_gwbridge"  # made by Docker at init and join, left behind at leave

_until_done = tenacity.retry(
    wait=tenacity.wait_fixed(0.3),
    stop=tenacity.stop_after_delay(30),
    retry=tenacity.retry_if_exception_type(docker.errors.APIError),
    reraise=True,
)


@dataclass(frozen=True)
class SwarmMember:
    """What manager and worker have in common.

    Its state is role, address and labels; outside of a swarm only whether Docker's bridge is there,
    which the way back needs to know.
    """

    kind: ClassVar[str] = "swarm"

    node: str
    address: str
    cluster: str
    manager: str
    """Name of the manager's node; for the manager itself its own."""

    @property
    def name(self) -> str:
        return self.kind

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
            "labels": _ours(_labels(world[self.manager], facts.swarm_node_id)),
        }

    def reverted(self, world: World, original: State | None, written: State) -> State | None:
        return original

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
        if not _is_member(change.after):
            nodes[self.node].docker.swarm.leave(force=True)
            if not (change.after and change.after["bridge"]):
                _remove_bridge(nodes[self.node])
            return
        if not _is_member(change.before):
            self._enter(nodes)
        node_id = nodes[self.node].docker.info()["Swarm"]["NodeID"]
        _set_labels(nodes[self.manager].docker, node_id, self.labels)

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
    def _entering(self) -> str:
        raise NotImplementedError

    @property
    def _leaving(self) -> str:
        raise NotImplementedError

    def _enter(self, nodes: Mapping[str, Node]) -> None:
        raise NotImplementedError


@dataclass(frozen=True)
class SwarmManager(SwarmMember):
    """The first node: makes the swarm."""

    stage: ClassVar[Stage] = Stage.MANAGER

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

    manager_address: str

    def desired(self, world: World) -> State:
        return self._state("worker")

    @property
    def _entering(self) -> str:
        return f"join the swarm of {self.manager} as a worker on {self.address}"

    @property
    def _leaving(self) -> str:
        return "leave the swarm"

    def _enter(self, nodes: Mapping[str, Node]) -> None:
        swarm = nodes[self.manager].docker.swarm
        swarm.reload()
        try:
            nodes[self.node].docker.swarm.join(
                remote_addrs=[f"{self.manager_address}:{PORT}"],
                join_token=swarm.attrs["JoinTokens"]["Worker"],
                **self._addresses,
            )
        except docker.errors.APIError as error:
            raise ChangeError(
                f"{self.node} could not join the swarm of {self.manager}",
                details=str(error.explanation or error),
                resolution=f"{self.manager_address}:{PORT} must be reachable from {self.node} "
                "over the fabric (cable, firewall, subnet).",
                node=self.node,
            ) from None


def _is_member(state: State | None) -> bool:
    return state is not None and state["role"] is not None


def _labels(manager: Facts, node_id: str | None) -> Mapping[str, str]:
    for node in manager.swarm_nodes:
        if node.get("ID") == node_id:
            labels: Mapping[str, str] = node["Spec"].get("Labels") or {}
            return labels
    return {}


def _ours(labels: Mapping[str, str]) -> dict[str, str]:
    return {k: v for k, v in labels.items() if k in (LABEL_CLUSTER, LABEL_NODE)}


@_until_done
def _set_labels(manager: docker.DockerClient, node_id: str, labels: Mapping[str, str]) -> None:
    # Retried: an update needs the node's current version, and a fresh node changes by itself.
    node = manager.nodes.get(node_id)
    spec: dict[str, Any] = {**node.attrs["Spec"]}
    node.update({**spec, "Labels": {**(spec.get("Labels") or {}), **labels}})


@_until_done
def _remove_bridge(node: Node) -> None:
    # Retried: Docker takes its own endpoint off the bridge a moment after the node has left.
    try:
        network = node.docker.networks.get(BRIDGE)
    except docker.errors.NotFound:
        return
    network.remove()
