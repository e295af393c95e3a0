"""The machines as they are: the table of `cluster status`."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from orchestrator.errors import SparkctlError
from orchestrator.facts.machine import Facts
from orchestrator.reconcile.plan import Plan
from orchestrator.resources.fabric import fabric_ports
from orchestrator.spec.cluster import ClusterSpec


@dataclass(frozen=True)
class NodeStatus:
    """One row."""

    name: str
    reachable: bool
    error: dict[str, object] | None
    engine: str | None
    gpus: list[str]
    gpu_name: str | None
    driver: str | None
    swarm_role: str | None
    swarm_state: str | None
    fabric: str | None
    memory_available_bytes: int | None
    memory_bytes: int | None
    runs: list[str]

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        return asdict(self)


def node_statuses(
    spec: ClusterSpec, world: Mapping[str, Facts], errors: Mapping[str, SparkctlError]
) -> list[NodeStatus]:
    """A row for every node of the file, also for those that could not be reached."""
    seen = [n for facts in world.values() for n in facts.swarm_nodes]
    fabric = _fabric(spec, world)
    rows = []
    for node in spec.nodes:
        facts = world.get(node.name)
        if facts is None:
            error = errors[node.name].to_dict() if node.name in errors else None
            rows.append(
                NodeStatus(node.name, False, error, None, [], None, None, None, None, None, None,
                           None, [])
            )  # fmt: skip
            continue
        gpu = facts.gpus[0] if facts.gpus else None
        rows.append(
            NodeStatus(
                name=node.name,
                reachable=True,
                error=None,
                engine=facts.engine,
                gpus=[g.uuid for g in facts.gpus],
                gpu_name=gpu.name if gpu else None,
                driver=gpu.driver if gpu else None,
                swarm_role=_role(facts),
                swarm_state=_state(facts.swarm_node_id, seen),
                fabric=fabric.get(node.name),
                memory_available_bytes=facts.memory_available_bytes,
                memory_bytes=facts.memory_bytes,
                runs=[name for name in facts.run_containers if name in facts.containers],
            )
        )
    return rows


def show_status(rows: list[NodeStatus], console: Console) -> None:
    """The table a person wants first: machine, GPU, memory, swarm, fabric, what runs."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for title in ("NODE", "GPU", "DRIVER", "MEMORY FREE", "DOCKER", "SWARM", "FABRIC", "RUNS"):
        table.add_column(title, no_wrap=True)
    for row in rows:
        if not row.reachable:
            table.add_row(row.name, Text("unreachable", style="red"))
            continue
        swarm = f"{row.swarm_role} {row.swarm_state}" if row.swarm_role else "-"
        table.add_row(
            row.name,
            row.gpu_name or "-",
            row.driver or "-",
            f"{_gib(row.memory_available_bytes)} of {_gib(row.memory_bytes)} GiB",
            row.engine or "-",
            swarm,
            row.fabric or "-",
            ", ".join(sorted({name.split(".")[0] for name in row.runs})) or "-",
        )
    console.print(table)


def show_drift(plan: Plan, console: Console) -> None:
    """Whether reality is as the file says, and where it is not."""
    for line in plan.advice:
        console.print(f"? {line}", style="yellow")
    if not plan.steps:
        console.print("as the file says: no changes")
        return
    for change in plan.changes:
        console.print(f"drift: {change.id}: {change.summary}", style="yellow")
    count = len(plan.steps)
    away = f"{count} change{'s' * (count > 1)} away from the file: `sparkctl cluster plan`"
    console.print(away)


def _fabric(spec: ClusterSpec, world: Mapping[str, Facts]) -> dict[str, str]:
    try:
        ports = fabric_ports(spec, world)
    except SparkctlError:
        return {}
    return {name: f"{port.interface} {port.address}" for name, port in ports.items()}


def _role(facts: Facts) -> str | None:
    if facts.swarm_state == "inactive":
        return None
    return "manager" if facts.swarm.get("ControlAvailable") else "worker"


def _state(node_id: str | None, seen: list[Mapping[str, Any]]) -> str | None:
    for node in seen:
        if node.get("ID") == node_id:
            return str(node["Status"]["State"])
    return None


def _gib(count: int | None) -> str:
    return "?" if count is None else f"{count / 2**30:.0f}"
