"""The two streams: results go to stdout, everything that accompanies them to stderr."""

import sys

from rich.console import Console

from orchestrator.errors import NodeErrors, SparkctlError


def out() -> Console:
    """Results. Without a terminal, plain text that is never wrapped."""
    return Console(highlight=False, emoji=False, soft_wrap=True, width=_width(sys.stdout.isatty()))


def err() -> Console:
    """Prompts, warnings, errors."""
    return Console(
        stderr=True, highlight=False, emoji=False, soft_wrap=True, width=_width(sys.stderr.isatty())
    )


def _width(terminal: bool) -> int | None:
    return None if terminal else 200


def show_error(error: SparkctlError, console: Console) -> None:
    """Code, what happened, the literal lines, how to mend it; every node's error in full."""
    if isinstance(error, NodeErrors):
        for one in error.errors:
            show_error(one, console)
        return
    console.print(f"[bold red]error {error.code}[/]: ", end="")
    console.print(error.brief, markup=False)
    for line in (error.details or "").splitlines():
        console.print(f"    {line}", markup=False, style="dim")
    for line in (error.resolution or "").splitlines():
        console.print("  → ", end="", style="green")
        console.print(line, markup=False)
