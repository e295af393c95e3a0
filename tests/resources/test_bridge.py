"""What Docker leaves on docker_gwbridge of a node that left: the shape that `inspect` has of it.

In the lab Docker takes its endpoint away by itself; it was reported that it does not always.
"""

from types import SimpleNamespace
from typing import Any, cast

import docker
import pytest

from orchestrator.node.node import Node
from orchestrator.resources.actions.swarm_leave import remove_bridge


class Bridge:
    """A network that goes only without endpoints."""

    def __init__(self, *endpoints: str) -> None:
        self.endpoints, self.removed = list(endpoints), False

    @property
    def attrs(self) -> dict[str, Any]:
        return {"Containers": {name: {"Name": name} for name in self.endpoints}}

    def disconnect(self, container: str, *, force: bool) -> None:
        assert force, "it is no container that could be asked"
        self.endpoints.remove(container)

    def remove(self) -> None:
        if self.endpoints:
            raise docker.errors.APIError("has active endpoints")
        self.removed = True


def node(bridge: Bridge) -> Node:
    networks = SimpleNamespace(get=lambda name: bridge)
    return cast(Node, SimpleNamespace(docker=SimpleNamespace(networks=networks)))


@pytest.mark.parametrize("endpoints", [(), ("gateway_ingress-sbox",)])
def test_docker_s_own_endpoint_does_not_hold_it(endpoints: tuple[str, ...]) -> None:
    bridge = Bridge(*endpoints)
    remove_bridge(node(bridge))
    assert bridge.removed


def test_a_container_of_somebody_else_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remove_bridge.retry, "sleep", lambda seconds: None)  # type: ignore[attr-defined]
    monkeypatch.setattr(remove_bridge.retry, "stop", lambda state: state.attempt_number > 2)  # type: ignore[attr-defined]
    bridge = Bridge("gateway_ingress-sbox", "database")
    with pytest.raises(docker.errors.APIError, match="active endpoints"):
        remove_bridge(node(bridge))
    assert bridge.endpoints == ["database"]
