"""The two streams: results go to stdout, everything that accompanies them to stderr.

What is printed may come from anywhere, so the console takes text for text: no markup, nothing that
a terminal obeys, and one printed text is one line. Styles are given beside it (`style=`, `Text`).
"""

import sys
from collections.abc import Iterable
from typing import Any

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.text import Text

from orchestrator.assets import located
from orchestrator.errors import NodeErrors, SparkctlError
from orchestrator.ui.plain import one_line, visible

_UNBOUND = 2000
"""Columns where there is no terminal: nothing is folded or left out."""


class PlainConsole(Console):
    """A console that shows hidden characters, in texts, cells and titles alike."""

    def __init__(self, **given: Any) -> None:
        super().__init__(markup=False, highlight=False, emoji=False, soft_wrap=True, **given)

    def render_str(self, text: str, **given: Any) -> Text:
        """A text that is measured and drawn as it will be seen."""
        return super().render_str(one_line(text), **given)

    def render(
        self, renderable: RenderableType, options: ConsoleOptions | None = None
    ) -> Iterable[Segment]:
        """All that is drawn comes through here, every part of it again."""
        if isinstance(renderable, Text):
            renderable = self._plain(renderable)
        for segment in super().render(renderable, options):
            if segment.control:  # of rich itself: a cursor that goes up
                yield segment
            else:
                yield Segment(visible(segment.text), segment.style)

    def on_broken_pipe(self) -> None:
        """Raised on: cli/pipe.py decides what it means. rich would end the process with 1."""
        raise

    def _plain(self, text: Text) -> Text:
        if one_line(text.plain) == text.plain:
            return text
        plain = Text(
            justify=text.justify, overflow=text.overflow, no_wrap=text.no_wrap, end=text.end
        )
        for part in text.render(self):
            plain.append(one_line(part.text), part.style)
        return plain


def out() -> PlainConsole:
    """Results. Without a terminal, plain text that is never wrapped."""
    return PlainConsole(width=_width(sys.stdout.isatty()))


def err() -> PlainConsole:
    """Prompts, warnings, errors."""
    return PlainConsole(stderr=True, width=_width(sys.stderr.isatty()))


def _width(terminal: bool) -> int | None:
    return None if terminal else _UNBOUND


def show_error(error: SparkctlError, console: Console) -> None:
    """Code, what happened, the literal lines, how to fix it; every node's error in full."""
    if isinstance(error, NodeErrors):
        for one in error.errors:
            show_error(one, console)
        return
    console.print(Text.assemble((f"error {error.code}", "bold red"), f": {error.brief}"))
    for line in (error.details or "").splitlines():
        console.print(f"    {line}", style="dim")
    for line in located(error.resolution or "").splitlines():
        console.print(Text.assemble(("  → ", "green"), line))
