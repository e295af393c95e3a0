"""Lines of several ranks, merged: each with its local time and its rank, in the rank's colour."""

from collections.abc import Iterable
from datetime import datetime

from rich.console import Console
from rich.text import Text

from orchestrator.ui import figures

_COLOURS = ("cyan", "magenta", "green", "yellow", "blue", "red")


def show_logs(lines: Iterable[tuple[str, int, str]], console: Console) -> None:
    """Time, rank and text of each."""
    for at, rank, text in lines:
        line = Text(f"{_clock(at)} rank {rank} ", style=_COLOURS[rank % len(_COLOURS)])
        console.print(line.append(text, style="default"))


def _clock(at: str) -> str:
    """As `--since` takes it. A node may have written a time that is none."""
    try:
        return f"{figures.local(datetime.fromisoformat(at)):%H:%M:%S.%f}"[:12]
    except ValueError:
        return at[11:23]
