"""What `docker info` reports, the engine's part of a swarm included."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from orchestrator import assets
from orchestrator.facts.fact import Group, Raw
from orchestrator.spec.cluster import PathsSpec


@dataclass(frozen=True, kw_only=True)
class Engine:
    """`docker info`."""

    docker: Mapping[str, Any] | None
    """None when the engine does not answer."""

    @property
    def swarm(self) -> Mapping[str, Any]:
        """The Swarm part of `docker info`."""
        swarm: Mapping[str, Any] = (self.docker or {}).get("Swarm") or {}
        return swarm

    @property
    def swarm_state(self) -> str:
        """inactive, pending, active, error or locked."""
        return str(self.swarm.get("LocalNodeState") or "inactive")

    @property
    def swarm_node_id(self) -> str | None:
        """This machine's ID in the swarm it is in."""
        return self.swarm.get("NodeID") or None

    @property
    def engine(self) -> str:
        """Version of the Docker Engine, or `none`."""
        return str((self.docker or {}).get("ServerVersion") or "none")


def _shell(paths: PathsSpec) -> str:
    return assets.text("templates/facts/engine.sh")


def _parse(raw: Raw) -> Engine:
    info = json.loads(raw["docker_info"]) if raw.get("docker_info", b"").strip() else None
    if info is not None and not info.get("ServerVersion"):
        info = None  # the client answered, the engine did not
    return Engine(docker=info)


def docker_info(**overrides: Any) -> dict[str, Any]:
    """The part of a Spark's `docker info` that is looked at; keyword arguments replace keys."""
    return {
        "ServerVersion": "29.2.1",
        "DefaultRuntime": "runc",
        "GenericResources": None,
        "Swarm": {"LocalNodeState": "inactive", "NodeID": "", "ControlAvailable": False},
        **overrides,
    }


ENGINE = Group(
    _shell,
    _parse,
    lambda number: Engine(docker=docker_info()),
    lambda engine: {"docker_info": json.dumps(engine.docker) if engine.docker else ""},
)
