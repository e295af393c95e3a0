"""Lines of several ranks, merged: each with its time and its rank, in the rank's colour."""

from collections.abc import Iterable, Mapping

from rich.console import Console
from rich.text import Text

from orchestrator.runs.logs import by_time

_COLOURS = ("cyan", "magenta", "green", "yellow", "blue", "red")


def show_logs(
    logs: Mapping[int, Iterable[str]], console: Console, *, begin: str = "", events: bool = False
) -> None:
    """`begin`: nothing older than this time, as the log writes times. `events`: JSON lines too."""
    for at, rank, text in by_time(logs):
        if at < begin or (text.startswith('{"event":') and not events):
            continue
        line = Text(f"{at[11:23]} rank {rank} ", style=_COLOURS[rank % len(_COLOURS)])
        console.print(line.append(text, style="default"))
