"""Runs as people see them: the table of `runs list`, the page of `runs show`."""

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from orchestrator.runs.compare import Comparison
from orchestrator.runs.run import Run, Unreadable
from orchestrator.runs.summary import RunReport
from orchestrator.ui import figures

_BARS = "▁▂▃▄▅▆▇█"
_COLOURS = {"running": "green", "succeeded": "bold green", "failed": "red", "broken": "red",
            "lost": "red", "stopped": "yellow", "restarting": "yellow"}  # fmt: skip


def show_runs(
    runs: Sequence[RunReport],
    console: Console,
    unreadable: Sequence[Unreadable] = (),
    *,
    complete: bool = True,
) -> None:
    """One line each, the newest first. `complete`: all nodes were read."""
    if not runs and not unreadable:
        if complete:
            console.print("no runs; begin one: sparkctl train tiny-llama-lora")
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for title in ("RUN", "STATE", "STEP", "LOSS", "TOK/S", "NODES", "STARTED (UTC)"):
        table.add_column(title, no_wrap=True)
    for run in runs:
        table.add_row(
            run.run,
            Text(run.state, style=_COLOURS.get(run.state, "default")),
            _steps(run),
            "-" if run.loss is None else figures.loss(run.loss),
            figures.pace(run.tokens_per_second),
            ", ".join(rank.node for rank in run.ranks),
            f"{run.created:%Y-%m-%d %H:%M}",
        )
    for broken in unreadable:
        state = Text(f"unreadable: {broken.why}", style="red")
        table.add_row(broken.name, state, "-", "-", "-", ", ".join(broken.bytes), "-")
    console.print(table)


def show_run(run: Run, report: RunReport, console: Console) -> None:
    """Everything that is worth a line."""

    def line(name: str, text: object) -> None:
        console.print(f"{name:<11} {text}")

    line("run", report.run)
    line("stack", f"{report.stack}: {run.record.stack.get('description', '')}")
    line("state", report.state)
    line("started", f"{report.created:%Y-%m-%d %H:%M:%S} UTC")
    line("step", _steps(report))
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
        line(f"rank {rank.rank}", f"{rank.node}  {what}  {_bytes(rank.bytes)} in its folder")
        for name in rank.unreadable:
            line("", f"{name} on {rank.node} cannot be understood")
    for attempt in run.attempts:
        blame = f": rank {attempt.rank}, {attempt.message}" if attempt.code else ""
        line(f"attempt {attempt.attempt}", f"{attempt.end} at step {attempt.step}{blame}")
    if run.verdict and run.verdict.message:
        line("verdict", f"rank {run.verdict.rank}: {run.verdict.message}")


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


def _bytes(count: int) -> str:
    return f"{count / 1e6:,.1f} MB"
