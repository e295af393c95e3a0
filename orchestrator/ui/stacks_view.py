"""The table of `sparkctl stacks list`."""

import textwrap

from rich.table import Table

from orchestrator.spec.stack_report import StackReport, StacksReport
from orchestrator.ui import figures
from orchestrator.ui.console import PlainConsole

_WIDEST = 100


def show_stacks(report: StacksReport, console: PlainConsole) -> None:
    """Two lines each: what has columns, and the description. The table is 80 columns wide."""
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0), header_style="bold")
    for title in ("NAME", "MODEL", "METHOD", "NODES", "GiB"):
        table.add_column(title, no_wrap=title != "MODEL", overflow="fold")
    width = min(console.width, _WIDEST)
    for stack in report.stacks:
        table.add_row(
            stack.name,
            stack.model or "-",
            stack.method or "-",
            _nodes(stack),
            figures.gib(stack.memory_bytes).removesuffix(" GiB"),
        )
    console.print(table, width=min(console.width, 80))
    console.print("")
    for stack in report.stacks:
        text = f"{stack.name}: {stack.description}"
        for line in textwrap.wrap(text, width, subsequent_indent="  "):
            console.print(line)
    console.print("")
    for line in textwrap.wrap(_MEANING, width):
        console.print(line)


_MEANING = (
    "GiB: memory that each of two nodes takes at most, estimated for full rows; of more nodes "
    "where a stack needs more. `sparkctl train NAME --dry-run` says it for your machines."
)


def _nodes(stack: StackReport) -> str:
    """1+, 2+, 2-4, 2."""
    if stack.nodes_max is None:
        return f"{stack.nodes_min}+"
    if stack.nodes_max == stack.nodes_min:
        return str(stack.nodes_min)
    return f"{stack.nodes_min}-{stack.nodes_max}"
