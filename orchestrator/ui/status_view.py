"""The machines as they are: the table of `cluster status`."""

import re
from collections.abc import Mapping
from typing import Any, Literal

from rich.console import Console
from rich.text import Text

from orchestrator.errors import SparkctlError
from orchestrator.facts.gpu import NO_GAUGES
from orchestrator.facts.machine import Facts
from orchestrator.reconcile.plan import Plan
from orchestrator.resources.fabric import fabric_ports
from orchestrator.spec.cluster import ClusterSpec
from orchestrator.ui import figures
from orchestrator.ui.columns import Cell, Column, tables
from orchestrator.ui.report import NodeReport

_COLUMNS = (
    Column("NODE", 0),
    Column("SWARM", 1),
    Column("MEMORY FREE", 2),
    Column("GPU", 3),
    Column("POWER", 5),
    Column("TEMP", 6),
    Column("RUN", 4),
    Column("MODEL", 8),
    Column("DRIVER", 9),
    Column("DOCKER", 10),
    Column("FABRIC", 7),
    Column("ADDRESS", 7),
)
"""What a narrow terminal shows first: is it there, is there room, is it busy, with what."""
_RANK = re.compile(r"_rank[0-9]+$")


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
        now = gpu.now if gpu else NO_GAUGES
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
                gpu_utilization_percent=now.utilization,
                gpu_power_watts=now.power,
                gpu_temperature_celsius=now.temperature,
                gpu_memory_used_bytes=now.memory_used,
                runs=[name for name in facts.run_containers if name in facts.containers],
            )
        )
    return rows


def show_status(rows: list[NodeReport], console: Console) -> None:
    """A line for each machine; where the terminal is too narrow, a second table beneath."""
    cells = [_cells(row) if row.reachable else _unread(row) for row in rows]
    for number, (_, table) in enumerate(tables(_COLUMNS, cells, console.width)):
        if number:
            console.line()
        console.print(table)


def _cells(row: NodeReport) -> list[Cell]:
    interface, _, address = (row.fabric or "").partition(" ")
    return [
        row.name,
        f"{row.swarm_role} {row.swarm_state}" if row.swarm_role else "-",
        f"{_gib(row.memory_available_bytes)} of {_gib(row.memory_bytes)} GiB",
        figures.of(row.gpu_utilization_percent, "%"),
        figures.of(row.gpu_power_watts, "W"),
        figures.of(row.gpu_temperature_celsius, "°C"),
        ", ".join(sorted({run_of(name) for name in row.runs})) or "-",
        row.gpu_name or "-",
        row.driver or "-",
        row.engine or "-",
        interface or "-",
        address or "-",
    ]


def _unread(row: NodeReport) -> list[Cell]:
    return [row.name, Text("unreachable", style="red"), *["-"] * (len(_COLUMNS) - 2)]


def run_of(container: str) -> str:
    """The run of a container by its name, `<run>_rank<R>.1.<id>`."""
    return _RANK.sub("", container.split(".")[0])


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
