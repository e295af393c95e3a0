"""A run while it goes on: a live table in a terminal, plain lines elsewhere."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from rich.console import Console
from rich.live import Live
from rich.text import Text

from orchestrator.runs.events import (
    Ended,
    LogLine,
    NodeBack,
    NodeSilent,
    RankEvent,
    RunEvent,
    TaskState,
)
from orchestrator.runs.verdict import Verdict
from orchestrator.ui.run_table import RunTable
from training.contract.record import RankPlace

_PLAIN_EVERY = 10  # steps between two lines without a terminal


@dataclass
class RunView:
    """Listens to a run. Use as a context manager; `heard` is the listener."""

    console: Console
    ranks: Sequence[RankPlace]
    _live: Live | None = None
    _table: RunTable | None = None
    _first: tuple[int, float] | None = None

    def __enter__(self) -> "RunView":
        if self.console.is_terminal:
            self._table = RunTable(self.ranks)
            self._live = Live(self._table, console=self.console, refresh_per_second=4)
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live is not None:
            self._live.stop()

    def heard(self, event: RunEvent) -> None:
        """Show one event."""
        if self._table is not None:
            self._table.heard(event)
        match event:
            case TaskState(rank, state, error):
                if error or self._table is None:
                    self._line(rank, f"{state}: {error}" if error else state)
            case RankEvent(rank, "step", fields):
                self._step(rank, dict(fields))
            case RankEvent(rank, "phase", fields):
                if self._table is None:
                    self._line(rank, str(fields.get("name")))
            case RankEvent(rank, "start", fields):
                self._line(
                    rank,
                    f"world size {fields.get('world_size')}, {fields.get('strategy')}, "
                    f"{fields.get('local_parameters'):,} of {fields.get('parameters'):,} "
                    "base parameters here",
                )
            case RankEvent(0, "eval", fields):
                self._line(0, f"held-out loss {fields.get('loss'):.4f} at step {fields['step']}")
            case RankEvent(0, "saved", fields):
                self._line(0, f"saved at step {fields['step']} ({_cost(fields)})")
            case RankEvent(0, "resumed", fields):
                self._line(0, f"goes on after step {fields['step']}{_passed_over(fields)}")
            case RankEvent(0, "ended", fields) if fields["end"] != "succeeded":
                self._line(0, _ended(fields))
            case RankEvent(rank, "error", fields):
                self._line(rank, f"error: {fields.get('message')}")
            case NodeSilent(node, why):
                self.console.print(f"{node} does not answer ({why})")
            case NodeBack(node):
                self.console.print(f"{node} answers again")
            case RankEvent() | LogLine() | Ended():
                pass

    def _step(self, rank: int, fields: dict[str, float]) -> None:
        step, total = int(fields["step"]), int(fields["total_steps"])
        shown = step == 1 or step == total or step % _PLAIN_EVERY == 0
        if self._table is not None or rank != 0 or not shown:
            return
        pace = f"{fields.get('tokens_per_second', 0):,.0f} tok/s"
        loss = f"loss {fields['loss']:.4f}"
        self._line(rank, f"step {step}/{total}  {loss}  {pace}{self._eta(step, total)}")

    def _eta(self, step: int, total: int) -> str:
        """From the steps seen here; the time before the first one says nothing."""
        now = time.monotonic()
        if self._first is None:
            self._first = (step, now)
        first, then = self._first
        if step in (first, total):
            return ""
        return f"  ETA {(now - then) / (step - first) * (total - step):.0f} s"

    def _line(self, rank: int, text: str) -> None:
        self.console.print(f"{self._name(rank)}  {text}")

    def _name(self, rank: int) -> str:
        return f"rank {rank} {self.ranks[rank].node}"


def _cost(fields: Mapping[str, Any]) -> str:
    return f"{fields['bytes'] / 1e6:,.1f} MB a rank in {fields['seconds']:.1f} s"


def _ended(fields: Mapping[str, Any]) -> str:
    """An attempt that another one, or a verdict, follows."""
    blame = f": rank {fields['rank']} {fields.get('message')}" if fields.get("code") else ""
    return f"attempt {fields['attempt']} {fields['end']} at step {fields['step']}{blame}"


def _passed_over(fields: Mapping[str, Any]) -> str:
    newer = ", ".join(map(str, fields.get("passed_over", [])))
    return f" (not all ranks have {newer})" if newer else ""


def show_verdict(verdict: Verdict, ranks: Sequence[RankPlace], console: Console) -> None:
    """What came of it and where it is; a failure is shown as an error by the caller."""
    first = verdict.results[0] if verdict.results else {}
    before, after = first.get("eval_loss_first"), first.get("eval_loss_last")
    console.print(Text.assemble(("succeeded", "bold green"), f"  {verdict.run}"))
    if before is not None and after is not None:
        console.print(f"  held-out loss  {before:.4f} -> {after:.4f} ({after / before:.2f} of it)")
    digest = str(first.get("weights_sha256"))[:16]
    kind = PurePosixPath(str(first.get("saved"))).name
    console.print(f"  {kind:<13}  sha256 {digest}…, the same on all {len(ranks)} ranks")
    console.print(f"  on {ranks[0].node:<12}{ranks[0].folder}/{kind}")
