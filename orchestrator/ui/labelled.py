"""Lines that begin with a word of what they say, under one another."""

from collections.abc import Iterable

from rich.console import Console
from rich.text import Text

from orchestrator.ui.plain import one_line

_LEAST = 20
"""Columns of text, however narrow the terminal is."""


def show_labelled(lines: Iterable[tuple[str, Text | str]], console: Console) -> None:
    """Each label with its text, which is folded beside it; a label may be empty."""
    pairs = list(lines)
    width = max((len(label) for label, _ in pairs), default=0) + 2
    for label, value in pairs:
        text = value if isinstance(value, Text) else Text(one_line(value))
        folded = text.wrap(console, max(console.width - width, _LEAST))
        for number, line in enumerate(folded):
            line.rstrip()
            console.print(Text.assemble((label if number == 0 else "").ljust(width), line))
