"""Lines of several ranks, merged: each with its time and its rank, in the rank's colour."""

from collections.abc import Iterable

from rich.console import Console
from rich.text import Text

_COLOURS = ("cyan", "magenta", "green", "yellow", "blue", "red")


def show_logs(lines: Iterable[tuple[str, int, str]], console: Console) -> None:
    """Time, rank and text of each."""
    for at, rank, text in lines:
        line = Text(f"{at[11:23]} rank {rank} ", style=_COLOURS[rank % len(_COLOURS)])
        console.print(line.append(text, style="default"))
