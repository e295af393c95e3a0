"""Runs as people see them: the table of `runs list`, the page of `runs show`."""

from collections.abc import Sequence
from datetime import datetime, tzinfo

from rich.console import Console
from rich.table import Table
from rich.text import Text

from orchestrator.runs.compare import Comparison
from orchestrator.runs.run import Run, Unreadable
from orchestrator.runs.summary import RunReport
from orchestrator.ui import figures
from orchestrator.ui.columns import Cell, Column, tables
from training.contract.counts import sentence

_BARS = "▁▂▃▄▅▆▇█"
_COLOURS = {"running": "green", "succeeded": "bold green", "failed": "red", "broken": "red",
            "lost": "red", "stopped": "yellow", "restarting": "yellow"}  # fmt: skip


def show_runs(
    runs: Sequence[RunReport],
    console: Console,
    unreadable: Sequence[Unreadable] = (),
    *,
    complete: bool = True,
    zone: tzinfo | None = None,
) -> None:
    """One line each, the newest first; what the terminal has no room for is named beneath.

    `complete`: all nodes were read. `zone`: of the times; this computer's by default.
    """
    if not runs and not unreadable:
        if complete:
            console.print("no runs; begin one: sparkctl train tiny-llama-lora")
        return
    now = datetime.now(zone) if zone else datetime.now().astimezone()
    columns = _columns(now)
    rows = [_row(run, now) for run in runs] + [_unreadable(one) for one in unreadable]
    (shown, table), *_ = tables(columns, rows, console.width)
    console.print(table)
    for one in unreadable:
        console.print(f"{one.name} is unreadable: {one.why}", style="red")
    if missing := [c.title for number, c in enumerate(columns) if number not in shown]:
        console.print(f"not in {console.width} columns: {', '.join(missing)}", style="dim")


def _columns(now: datetime) -> tuple[Column, ...]:
    return (
        Column("RUN", 0),
        Column("STATE", 1),
        Column("STEP", 3),
        Column("LOSS", 5),
        Column("TOK/S", 7),
        Column("SIZE", 4),
        Column(f"STARTED ({now:%Z})", 2),
        Column("NODES", 6),
    )


def _row(run: RunReport, now: datetime) -> list[Cell]:
    return [
        run.run,
        Text(run.state, style=_COLOURS.get(run.state, "default")),
        _steps(run),
        "-" if run.loss is None else figures.loss(run.loss),
        figures.pace(run.tokens_per_second),
        figures.size(sum(rank.bytes for rank in run.ranks)),
        f"{figures.local(run.created, now.tzinfo):%Y-%m-%d %H:%M}",
        ", ".join(rank.node for rank in run.ranks),
    ]


def _unreadable(one: Unreadable) -> list[Cell]:
    state, size = Text(one.state, style="red"), figures.size(sum(one.bytes.values()))
    return [one.name, state, "-", "-", "-", size, "-", ", ".join(one.bytes)]


def show_run(run: Run, report: RunReport, console: Console) -> None:
    """Everything that is worth a line."""
    table = Table.grid(padding=(0, 1, 0, 0))
    table.add_column(no_wrap=True, min_width=11)
    table.add_column(overflow="fold")

    def line(name: str, text: object) -> None:
        table.add_row(name, str(text))

    line("run", report.run)
    line("stack", f"{report.stack}: {run.record.stack.get('description', '')}")
    line("state", report.state)
    line("started", f"{figures.local(report.created):%Y-%m-%d %H:%M:%S %Z}")
    line("step", _steps(report))
    if report.data is not None:
        line("data", sentence(report.data))
    if report.losses:
        bars = sparkline(report.losses)
        line("loss", f"{figures.loss(report.losses[0])} {bars} {figures.loss(report.losses[-1])}")
    if report.eval_loss is not None:
        line("held-out", figures.loss(report.eval_loss))
    if report.tokens_per_second is not None:
        line("tokens/s", figures.pace(report.tokens_per_second))
    line("image", report.image)
    for rank in report.ranks:
        what = ", ".join(filter(None, (rank.task, rank.phase, f"step {rank.step}")))
        line(f"rank {rank.rank}", f"{rank.node}  {what}  {figures.size(rank.bytes)} in its folder")
        if rank.memory:
            line("", f"peak memory: {figures.peaks(rank.memory)}")
        for name in rank.unreadable:
            line("", f"{name} on {rank.node} cannot be understood")
    for attempt in run.attempts:
        blame = f": rank {attempt.rank}, {attempt.message}" if attempt.code else ""
        line(f"attempt {attempt.attempt}", f"{attempt.end} at step {attempt.step}{blame}")
    if run.verdict and run.verdict.message:
        line("verdict", f"rank {run.verdict.rank}: {run.verdict.message}")
    console.print(table)


def show_comparison(compared: Comparison, console: Console) -> None:
    """Settings that differ first, then what came of them."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for title in ("", *compared.runs):
        table.add_column(title, overflow="fold")
    for difference in compared.settings:
        table.add_row(difference.key, *(_value(value) for value in difference.values))
    if not compared.settings:
        table.add_row("(the same settings)")
    table.add_section()
    for difference in compared.results:
        table.add_row(difference.key, *(_value(value) for value in difference.values))
    console.print(table)


def _value(value: object) -> str:
    if value is None:
        return "-"
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def sparkline(values: Sequence[float], width: int = 32) -> str:
    """The course of a number in one line of bars; of many the last of each part is drawn."""
    shown = values if len(values) <= width else [
        values[(n + 1) * len(values) // width - 1] for n in range(width)
    ]  # fmt: skip
    low, high = min(shown), max(shown)
    if high == low:
        return _BARS[0] * len(shown)
    top = len(_BARS) - 1
    return "".join(_BARS[round((value - low) / (high - low) * top)] for value in shown)


def _steps(run: RunReport) -> str:
    return f"{run.step}/{run.total_steps}" if run.total_steps else str(run.step)
