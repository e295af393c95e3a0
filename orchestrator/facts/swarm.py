"""What a manager knows of its swarm, and what dockerd keeps of it on the disk."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from orchestrator import assets
from orchestrator.facts.fact import Group, Printed, Raw
from orchestrator.facts.values import json_lines, lines
from orchestrator.spec.cluster import PathsSpec


@dataclass(frozen=True, kw_only=True)
class Swarm:
    """Beside what `docker info` reports."""

    swarm_on_disk: Mapping[str, Any] | None
    """What dockerd keeps of its swarm: all there is to know of it while the engine is down."""
    swarm_nodes: tuple[Mapping[str, Any], ...]
    """`docker node inspect` of all nodes; only a manager knows them."""
    busy: frozenset[str]
    """Host names of swarm nodes that have a rank of a run; only a manager knows them."""


def _shell(paths: PathsSpec) -> str:
    return assets.text("templates/facts/swarm.sh")


def _parse(raw: Raw) -> Swarm:
    return Swarm(
        swarm_on_disk=_object(raw.get("swarm_on_disk", b"")),
        swarm_nodes=json_lines(raw.get("swarm_nodes", b"")),
        busy=frozenset(lines(raw.get("busy", b""))),
    )


def _object(raw: bytes) -> Mapping[str, Any] | None:
    """A JSON object; dockerd may have died while it wrote the file, which is empty then."""
    try:
        found = json.loads(raw)
    except ValueError:
        return {} if raw else None
    return found if isinstance(found, dict) else {}


def _printed(swarm: Swarm) -> Printed:
    on_disk = swarm.swarm_on_disk
    return {
        "swarm_on_disk": "" if on_disk is None else json.dumps(on_disk),
        "swarm_nodes": "\n".join(json.dumps(node) for node in swarm.swarm_nodes),
        "busy": "\n".join(sorted(swarm.busy)),
    }


SWARM = Group(
    _shell,
    _parse,
    lambda number: Swarm(swarm_on_disk=None, swarm_nodes=(), busy=frozenset()),
    _printed,
)
