"""A plan, and its execution, as text."""

import difflib
from collections import Counter
from typing import Any

from rich.console import Console
from rich.text import Text

from orchestrator.reconcile.events import ChangeDone, ChangeFailed, ChangeStarted, Event
from orchestrator.reconcile.plan import Plan
from orchestrator.resources.base import Change
from orchestrator.resources.masking import masked_text

_SYMBOLS = {"create": ("+", "green"), "update": ("~", "yellow"), "delete": ("-", "red")}


def show_plan(plan: Plan, console: Console, *, diffs: bool = False) -> None:
    """One line a change, grouped by machine, and a count at the end."""
    for node in plan.nodes:
        console.print(node, style="bold")
        for change in plan.changes:
            if change.node == node:
                _show_change(change, console, diffs)
    for line in plan.kept:
        console.print(f"  = {line}", style="cyan")
    for other in plan.others:
        console.print(f"  ! not sparkctl's: {other}", style="yellow")
    for line in plan.advice:
        console.print(f"  ? {line}", style="yellow")
    console.print(count(plan))


def count(plan: Plan) -> str:
    """The plan in one line."""
    if not plan.steps:
        return "no changes"
    kinds = Counter(change.action for change in plan.changes)
    parts = [f"{n} {action}" for action, n in kinds.items()]
    nodes = len(plan.nodes)
    changes = f"{len(plan.steps)} change{'s' * (len(plan.steps) > 1)}"
    return f"{changes} ({', '.join(parts)}) on {nodes} node{'s' * (nodes > 1)}"


def progress_lines(console: Console) -> Any:
    """A listener that prints one line per finished change, in one piece: nodes are parallel."""

    def listen(event: Event) -> None:
        match event:
            case ChangeDone(change, seconds):
                console.print(Text.assemble(("✓ ", "green"), f"{_line(change)} ({seconds:.1f} s)"))
            case ChangeFailed(change, error):
                console.print(Text.assemble(("✗ ", "red"), f"{_line(change)}: {error.brief}"))
            case ChangeStarted():
                pass

    return listen


def _show_change(change: Change, console: Console, diffs: bool) -> None:
    symbol, style = _SYMBOLS[change.action]
    console.print(f"  {symbol} ", end="", style=style)
    console.print(f"{_kind(change):<15} {change.summary}")
    for note in change.notes:
        console.print(f"      ! {note}", style="yellow")
    if diffs:
        for line in _diff(change):
            console.print(f"      {line}", style="dim")


def _line(change: Change) -> str:
    return f"{change.node:<10} {_kind(change):<15} {change.summary}"


def _kind(change: Change) -> str:
    return change.resource.partition(":")[0]


def _diff(change: Change) -> list[str]:
    """The lines of a file that change."""
    before, after = _text(change.before), _text(change.after)
    if before == after:
        return []
    lines = difflib.unified_diff(before.splitlines(), after.splitlines(), lineterm="", n=1)
    return [line for line in lines if not line.startswith(("---", "+++"))]


def _text(state: Any) -> str:
    file = (state or {}).get("file", state) or {}
    return masked_text(str(file.get("text", "")))
