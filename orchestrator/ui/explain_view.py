"""The page of `sparkctl explain`."""

import textwrap

from orchestrator.spec.explanation import Explanations, Part
from orchestrator.ui.console import PlainConsole

_WIDEST = 100


def show_explanations(found: Explanations, console: PlainConsole) -> None:
    """One after the other; a section with its keys, an error with its kinds."""
    for number, one in enumerate(found.found):
        if number:
            console.print("")
        _show(one, console, "")
        for part in one.parts:
            console.print("")
            _show(part, console, "  ")


def _show(one: Part, console: PlainConsole, indent: str) -> None:
    console.print(f"{indent}{_heading(one)}", style="bold")
    inner = f"{indent}    "
    for text in (one.text, _allowed(one), f"What to do: {one.fix}" if one.fix else None):
        if text:
            width = min(console.width, _WIDEST)
            for line in textwrap.wrap(text, width, initial_indent=inner, subsequent_indent=inner):
                console.print(line)
    if one.example and not indent:
        console.print(f"{inner}{one.example}")


def _heading(one: Part) -> str:
    said = [
        one.type,
        one.default if one.default in (None, "required") else f"default {one.default}",
        None if one.exit_code is None else f"exit code {one.exit_code}",
        one.kind if one.kind in ("check", "failure") else None,
    ]
    return f"{one.name}   {', '.join(word for word in said if word)}".rstrip()


def _allowed(one: Part) -> str | None:
    """Values that the type does not name already."""
    left = [value for value in one.allowed if value not in (one.type or "").split(" or ")]
    return f"Allowed: {', '.join(left)}." if left else None
