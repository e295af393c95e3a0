"""Lines of several ranks, merged: each with its local time and its rank, in the rank's colour."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from rich.console import Console
from rich.text import Text

from orchestrator.runs.events import Ended, LogLine, NodeBack, NodeGone, NodeSilent, RunEvent
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


@dataclass(frozen=True)
class LinesView:
    """Listens to a run whose lines are followed: lines to one console, all else to the other."""

    lines: Console
    beside: Console

    def on_event(self, event: RunEvent) -> None:
        """Show one event."""
        match event:
            case LogLine(rank, text, at):
                show_logs([(at, rank, text)], self.lines)
            case NodeSilent(node, why):
                self.beside.print(f"{node} does not answer ({why})", style="yellow")
            case NodeBack(node):
                self.beside.print(f"{node} answers again", style="yellow")
            case NodeGone(node, why):
                self.beside.print(f"the swarm misses {node}: {why}", style="yellow")
            case Ended(outcome):
                self.beside.print(f"{outcome.run}: {outcome.brief}")
            case _:
                pass
