"""The live picture of a run in a terminal: a row per rank, how far it is, how the loss falls."""

import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from rich.console import Console, ConsoleOptions, RenderResult
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from orchestrator.runs.events import NodeBack, NodeSilent, RankEvent, RunEvent, TaskState
from orchestrator.ui import figures
from orchestrator.ui.columns import Cell, Column, tables
from orchestrator.ui.eta import Eta
from orchestrator.ui.runs_view import sparkline
from training.contract.events import Phase, Resumed, Step
from training.contract.record import RankPlace

_LOSSES = 512
_WIDEST, _NARROWEST = 32, 8  # of the bar, and of the losses
_COLUMNS = (
    Column("NODE", 0),
    Column("RANK", 2),
    Column("STATE", 1),
    Column("STEP", 3),
    Column("TOK/S", 4),
    Column("PEAK", 6),
    Column("NODE FREE", 5),
)


@dataclass
class _Row:
    state: str = "-"
    phase: str = "-"
    step: int = 0
    tokens_per_second: float | None = None
    memory_peak: int | None = None
    memory_available: int | None = None
    silent: bool = False


@dataclass
class RunTable:
    """Follows the events of a run; rich draws it."""

    ranks: Sequence[RankPlace]
    clock: Callable[[], float] = time.monotonic
    total: int = 0
    _rows: dict[int, _Row] = field(default_factory=dict)
    _loss: float | None = None
    _losses: "deque[float]" = field(default_factory=lambda: deque(maxlen=_LOSSES))
    _eta: Eta = field(init=False)

    def __post_init__(self) -> None:
        self._eta = Eta(self.clock)
        self._rows = {place.rank: _Row() for place in self.ranks}

    def on_event(self, event: RunEvent) -> None:
        """Take in one event."""
        match event:
            case TaskState(rank, state, _) if rank in self._rows:
                self._rows[rank].state = state
            case RankEvent(rank, Phase(name=name)):
                self._rows[rank].phase = name
            case RankEvent(rank, Step() as step):
                self._step(rank, step)
            case RankEvent(rank, Resumed(step=number)):
                self._rows[rank].step = number
                self._eta.reset()
            case NodeSilent(node, _) | NodeBack(node):
                for place in self.ranks:
                    if place.node == node:
                        self._rows[place.rank].silent = isinstance(event, NodeSilent)

    @property
    def eta(self) -> float | None:
        """Seconds to the last step, by the pace seen here; None when there is none yet."""
        return self._eta.seconds(self._rows[0].step, self.total)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        rows = [self._cells(place) for place in self.ranks]
        for _, table in tables(_COLUMNS, rows, options.max_width):
            yield table
        if self.total:
            yield self._progress(options.max_width)

    def _cells(self, place: RankPlace) -> list[Cell]:
        row = self._rows[place.rank]
        return [
            place.node,
            str(place.rank),
            "does not answer" if row.silent else f"{row.state}, {row.phase}",
            str(row.step),
            figures.pace(row.tokens_per_second),
            figures.gib(row.memory_peak),
            figures.gib(row.memory_available),
        ]

    def _progress(self, width: int) -> Table:
        """How far, how long, how good; the bar and the bars share what is left of the line."""
        step = self._rows[0].step
        eta = "" if self.eta is None else f"ETA {figures.clock(self.eta)}"
        words = (f"{step}/{self.total}", eta, f"loss {figures.loss(self._loss)}")
        room = max(0, width - sum(len(word) + 1 for word in words) - 1)
        bar = min(_WIDEST, max(_NARROWEST, room // 2))
        losses = list(self._losses) if room - bar > _NARROWEST else []
        bars = sparkline(losses, min(_WIDEST, room - bar)) if losses else ""
        line = Table.grid(padding=(0, 1))
        done = ProgressBar(total=self.total, completed=step, width=bar)
        line.add_row(done, *words, Text(bars, style="cyan"))
        return line

    def _step(self, rank: int, step: Step) -> None:
        row = self._rows[rank]
        row.step, self.total = step.step, step.total_steps
        row.tokens_per_second = step.rank_tokens_per_second
        row.memory_peak = step.memory_peak
        row.memory_available = step.memory_available
        if rank == 0:
            self._eta.on_step(row.step)
            self._loss = step.loss
            if step.loss is not None:
                self._losses.append(step.loss)
