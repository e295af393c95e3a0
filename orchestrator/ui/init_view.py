"""What `sparkctl init` has found: one list, with the command that fixes each line, and as JSON."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict
from rich.console import Console
from rich.text import Text

from orchestrator.doctor.first_look import Item, State

_STYLES: dict[State, str] = {"ok": "green", "note": "yellow", "fix": "bold red", "unknown": "dim"}
_WORDS: dict[State, str] = {"ok": "ok", "note": "note", "fix": "FIX", "unknown": "?"}


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class LookReport(_Part):
    """One thing that was looked at."""

    node: str | None
    """Name in the cluster file; null: this computer, or all machines together."""
    check: str
    """What was looked at."""
    state: State
    """`fix`: it is in the way. `note`: it is not. `unknown`: it could not be looked at."""
    says: str
    """What was found."""
    details: str
    """Literal lines."""
    fix: str
    """The commands that fix it, one a line."""


class InitReport(_Part):
    """The whole document."""

    apiVersion: Literal["sparkctl/v1"] = "sparkctl/v1"  # noqa: N815 - the name is the API's
    kind: Literal["InitReport"] = "InitReport"
    ok: bool
    """Nothing is in the way of `cluster up`."""
    file: str | None
    """The cluster file that was written; null when none was."""
    checks: tuple[LookReport, ...]
    """Machine by machine, then this computer."""


def init_report(items: Sequence[Item], file: Path | None) -> InitReport:
    """The document."""
    checks = tuple(LookReport(**vars(item)) for item in items)
    ok = not any(item.state == "fix" for item in items)
    return InitReport(ok=ok, file=str(file) if file else None, checks=checks)


def show_looked(items: Sequence[Item], console: Console) -> None:
    """Machine by machine."""
    last: str | None = ""
    for item in items:
        if item.node != last:
            console.print(item.node or "this computer, and all together", style="bold")
            last = item.node
        head = Text(f"  {_WORDS[item.state]:<5}", style=_STYLES[item.state])
        console.print(head.append(f"{item.check:<13} {item.says}", style="default"))
        if item.state == "ok":
            continue
        for line in item.details.splitlines():
            console.print(f"         {line}", style="dim")
        for line in item.fix.splitlines():
            console.print(Text.assemble(("       → ", "green"), line))
