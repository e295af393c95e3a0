"""`cluster status --watch`: a live table in a terminal, a line a machine and look elsewhere."""

from collections.abc import Iterable, Mapping
from datetime import datetime

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.text import Text

from orchestrator.facts.gpu import NO_GAUGES
from orchestrator.runs.glance import Glance, RunNow, Seen
from orchestrator.ui import figures
from orchestrator.ui.columns import Cell, Column, tables

_COLUMNS = (
    Column("NODE", 0),
    Column("GPU", 1),
    Column("POWER", 4),
    Column("TEMP", 5),
    Column("MEMORY", 2),
    Column("RUN", 3),
    Column("NOW", 6),
)
Look = Mapping[str, Seen]
"""All machines, by name."""


def show_watch(looks: Iterable[Look], console: Console) -> None:
    """Each look replaces the one before; without a terminal it is added beneath."""
    if not console.is_terminal:
        for look in looks:
            at = f"{datetime.now().astimezone():%H:%M:%S}"
            for name, seen in look.items():
                console.print(f"{at}  {_plain(name, seen)}")
        return
    with Live(console=console, auto_refresh=False) as live:
        for look in looks:
            live.update(picture(look, console.width), refresh=True)


def picture(look: Look, width: int) -> RenderableType:
    """One look as tables, the most important beneath the name first."""
    rows = [_cells(name, seen) for name, seen in look.items()]
    parts: list[RenderableType] = []
    for _, table in tables(_COLUMNS, rows, width):
        parts += [*([Text()] if parts else []), table]
    problems = [Text(f"{name}: {seen.problem}", style="red", overflow="fold")
                for name, seen in look.items() if seen.problem]  # fmt: skip
    return Group(*parts, *problems, Text("Ctrl-C ends it", style="dim"))


def _cells(name: str, seen: Seen) -> list[Cell]:
    if seen.problem is not None or seen.glance is None:
        return [name, Text("away", style="red"), *["-"] * (len(_COLUMNS) - 2)]
    glance = seen.glance
    return [
        name,
        *_gauges(glance),
        _memory(glance),
        ", ".join(run.run for run in glance.runs) or "-",
        ", ".join(map(_now, glance.runs)) or "-",
    ]


def _plain(name: str, seen: Seen) -> str:
    if seen.problem is not None or seen.glance is None:
        return f"{name}  {seen.problem or 'no answer yet'}"
    utilization, power, temperature = _gauges(seen.glance)
    runs = "".join(f"  {run.run} {_now(run)}" for run in seen.glance.runs)
    gauges = f"GPU {utilization}  {power}  {temperature}"
    return f"{name}  {gauges}  memory {_memory(seen.glance)}{runs}"


def _gauges(glance: Glance) -> tuple[str, str, str]:
    now = glance.gpus[0].now if glance.gpus else NO_GAUGES
    return (
        figures.of(now.utilization, "%"),
        figures.of(now.power, "W"),
        figures.of(now.temperature, "°C"),
    )


def _memory(glance: Glance) -> str:
    """The machine's: on a Spark the GPU has no other."""
    used = glance.memory_bytes - glance.memory_available_bytes
    return f"{used / 2**30:.0f} of {glance.memory_bytes / 2**30:.0f} GiB"


def _now(run: RunNow) -> str:
    if run.step:
        return f"step {run.step}"
    return run.phase or "-"
