"""Out of a swarm in the order that loses nothing: demote, drain, leave, remove.

The manager's part is done when it can be: a node whose manager is gone has to get out all the same.
"""

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import docker
import requests
import tenacity
from docker.models.nodes import Node as SwarmNode

from orchestrator.errors import SparkctlError
from orchestrator.facts.docker import BRIDGE
from orchestrator.node.node import Node

_INGRESS = "gateway_ingress-sbox"
"""Docker's own endpoint on the bridge, and no container."""

_DRAINED_WITHIN = 30  # seconds for the tasks to end; what is left then ends with the membership

_until_done = tenacity.retry(
    wait=tenacity.wait_fixed(0.3),
    stop=tenacity.stop_after_delay(30),
    retry=tenacity.retry_if_exception_type(docker.errors.APIError),
    reraise=True,
)


def leave(nodes: Mapping[str, Node], node_name: str, manager: str) -> None:
    """Take this node out of its swarm, and out of the list of `manager` where that one is there."""
    node_id = nodes[node_name].docker.info()["Swarm"]["NodeID"]
    listed = _listed(nodes, manager, node_id) if manager != node_name else None
    if listed is not None:
        empty(listed)
    nodes[node_name].docker.swarm.leave(force=True)
    if listed is not None:
        remove_from_list(listed)


def forget(manager: Node, node_id: str) -> None:
    """Take a node that is not asked out of the list of its manager, if it is still there."""
    with suppress(docker.errors.NotFound):
        listed = manager.docker.nodes.get(node_id)
        empty(listed)
        remove_from_list(listed)


def empty(listed: SwarmNode) -> None:
    """Demote and drain it; returns when its tasks have ended, or have had their time."""
    update(listed, lambda spec: {**spec, "Role": "worker", "Availability": "drain"})
    if listed.attrs["Status"]["State"] == "ready":
        _wait_for_tasks(listed)


@_until_done
def remove_from_list(listed: SwarmNode) -> None:
    """Remove it from its manager's list, whether Docker has noticed that it left or not."""
    with suppress(docker.errors.NotFound):
        listed.remove(force=True)


@_until_done
def remove_bridge(node: Node) -> None:
    """Remove the network that Docker made at joining, where it is still there."""
    # Retried: Docker takes its own endpoint off the bridge a moment after the node has left. It was
    # reported that of a node that left right after it had joined it never does.
    with suppress(docker.errors.NotFound):
        bridge = node.docker.networks.get(BRIDGE)
        for endpoint in (bridge.attrs.get("Containers") or {}).values():
            if endpoint["Name"] == _INGRESS:
                bridge.disconnect(_INGRESS, force=True)
        bridge.remove()


@_until_done
def update(listed: SwarmNode, change: Any) -> None:
    """Update a swarm node: `change` makes the new spec from the present one."""
    # Retried: an update needs the node's current version, and a fresh node changes by itself.
    listed.reload()
    present: dict[str, Any] = listed.attrs["Spec"]
    wanted = change(present)
    if wanted != present:
        listed.update(wanted)


def _listed(nodes: Mapping[str, Node], manager: str, node_id: str) -> SwarmNode | None:
    """The node as its manager lists it, if that one can be asked and knows it."""
    if manager not in nodes or not node_id:
        return None
    with suppress(docker.errors.DockerException, requests.RequestException, SparkctlError):
        found: SwarmNode = nodes[manager].docker.nodes.get(node_id)
        return found
    return None


@tenacity.retry(
    wait=tenacity.wait_fixed(0.3),
    stop=tenacity.stop_after_delay(_DRAINED_WITHIN),
    retry=tenacity.retry_if_result(bool),
    retry_error_callback=lambda _: True,
)
def _wait_for_tasks(listed: SwarmNode) -> bool:
    """Whether some of its tasks have not ended yet."""
    assert listed.client is not None  # it comes from one
    tasks = listed.client.api.tasks(filters={"node": listed.id})
    return any(task["Status"]["State"] in ("running", "starting", "preparing") for task in tasks)
