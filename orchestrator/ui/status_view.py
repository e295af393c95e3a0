"""The machines as they are: the table of `cluster status`."""

from collections.abc import Mapping
from typing import Any, Literal

from rich.console import Console
from rich.table import Table
from rich.text import Text

from orchestrator.errors import SparkctlError
from orchestrator.facts.machine import Facts
from orchestrator.reconcile.plan import Plan
from orchestrator.resources.fabric import fabric_ports
from orchestrator.spec.cluster import ClusterSpec
from orchestrator.ui.report import NodeReport


def node_reports(
    spec: ClusterSpec, world: Mapping[str, Facts], errors: Mapping[str, SparkctlError]
) -> list[NodeReport]:
    """A row for every node of the file, also for those that could not be reached."""
    seen = [n for facts in world.values() for n in facts.swarm_nodes]
    fabric = _fabric(spec, world)
    rows = []
    for node in spec.nodes:
        facts = world.get(node.name)
        if facts is None:
            rows.append(NodeReport.unread(node.name, errors.get(node.name)))
            continue
        gpu = facts.gpus[0] if facts.gpus else None
        rows.append(
            NodeReport(
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


def show_status(rows: list[NodeReport], console: Console) -> None:
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


def _role(facts: Facts) -> Literal["manager", "worker"] | None:
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
