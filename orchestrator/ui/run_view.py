"""A run while it runs: a live table in a terminal, plain lines elsewhere."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from rich.console import Console
from rich.live import Live
from rich.text import Text

from orchestrator.runs.events import (
    Ended,
    LogLine,
    NodeBack,
    NodeGone,
    NodeSilent,
    RankEvent,
    RunEvent,
    TaskState,
)
from orchestrator.runs.verdict import Outcome
from orchestrator.ui import figures
from orchestrator.ui.eta import Eta
from orchestrator.ui.run_table import RunTable
from training.contract.counts import sentence
from training.contract.events import (
    AdapterSaved,
    Adapts,
    DataRead,
    Error,
    Eval,
    Phase,
    Result,
    Resumed,
    Saved,
    Start,
    Step,
)
from training.contract.log import AttemptOver, LogEvent
from training.contract.record import RankPlace
from training.contract.verdict import Attempt, Verdict

_PLAIN_EVERY = 10  # steps between two lines without a terminal


@dataclass
class RunView:
    """Listens to a run. Use as a context manager; `on_event` is the listener."""

    console: Console
    ranks: Sequence[RankPlace]
    _live: Live | None = None
    _table: RunTable | None = None
    _pace: Eta = field(default_factory=Eta)

    def __enter__(self) -> "RunView":
        if self.console.is_terminal:
            self._table = RunTable(self.ranks)
            self._live = Live(self._table, console=self.console, refresh_per_second=4)
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live is not None:
            self._live.stop()

    def on_event(self, event: RunEvent) -> None:
        """Show one event."""
        if self._table is not None:
            self._table.on_event(event)
        match event:
            case TaskState(rank, state, error):
                if error or self._table is None:
                    self._line(rank, f"{state}: {error}" if error else state)
            case RankEvent(rank, rank_event):
                self._on_rank_event(rank, rank_event)
            case NodeSilent(node, why):
                self.console.print(f"{node} does not answer ({why})")
            case NodeBack(node):
                self.console.print(f"{node} answers again")
            case NodeGone(node, why):
                self.console.print(f"the swarm misses {node}: {why}")
            case LogLine() | Ended():
                pass

    def _on_rank_event(self, rank: int, event: LogEvent) -> None:
        match event:
            case Step():
                self._step(rank, event)
            case Phase(name=name):
                if self._table is None:
                    self._line(rank, name)
            case Start(packing=packing):
                self._line(
                    rank,
                    f"world size {event.world_size}, {event.strategy}, "
                    f"{event.local_parameters:,} of {event.parameters:,} base parameters here",
                )
                if packing is not None and rank == 0:
                    self._line(0, packing)
            case Error(message=message):
                self._line(rank, f"error: {message}")
            case _ if rank != 0:
                pass  # what follows is the same on all
            case DataRead():
                self._line(0, data_line(event))
            case Adapts():
                self._line(0, adapts_line(event))
            case Eval(step=step, loss=loss):
                self._line(0, f"held-out loss {figures.loss(loss)} at step {step}")
            case Saved(step=step):
                cost = f"{event.bytes / 1e6:,.1f} MB a rank in {event.seconds:.1f} s"
                self._line(0, f"saved at step {step} ({cost})")
            case AdapterSaved(step=step, folder=folder):
                self._line(0, f"adapter of step {step} in {folder}")
            case Resumed(step=step):
                self._pace.reset()
                self._line(0, f"resumes after step {step}{_skipped(event)}")
            case AttemptOver(end=end) if end != "succeeded":
                self._line(0, attempt_line(event))
            case AttemptOver() | Result() | Verdict():
                pass

    def _step(self, rank: int, event: Step) -> None:
        step, total = event.step, event.total_steps
        shown = step == 1 or step == total or step % _PLAIN_EVERY == 0
        if self._table is not None or rank != 0 or not shown:
            return
        loss, pace = figures.loss(event.loss), figures.pace(event.tokens_per_second)
        self._line(0, f"step {step}/{total}  loss {loss}  {pace} tok/s{self._eta(step, total)}")

    def _eta(self, step: int, total: int) -> str:
        self._pace.on_step(step)
        left = self._pace.seconds(step, total)
        return "" if left is None or step == total else f"  ETA {left:.0f} s"

    def _line(self, rank: int, text: str) -> None:
        self.console.print(f"{self._name(rank)}  {text}")

    def _name(self, rank: int) -> str:
        return f"rank {rank} {self.ranks[rank].node}"


def data_line(event: DataRead) -> str:
    """What the rows became, and what did not become anything."""
    found = " (tokens of an earlier start)" if event.reused else ""
    parts = f"{event.train:,} to train on, {event.held_out:,} held out{found}"
    return f"data: {sentence(event.counts)}; {parts}"


def adapts_line(event: Adapts) -> str:
    """How much of the base gets an adapter, and what does not."""
    without = f" (without {'; '.join(event.left_out)})" if event.left_out else ""
    begins = f"; starts from {event.init_from}" if event.init_from else ""
    if event.trained_on:
        begins += f", trained on {event.trained_on}"
    return f"adapts {event.layers} of {event.of} linear layers{without}{begins}"


def attempt_line(attempt: Attempt) -> str:
    """How it ended, and who is to blame."""
    blame = f": rank {attempt.rank} {attempt.message}" if attempt.code else ""
    return f"attempt {attempt.attempt} {attempt.end} at step {attempt.step}{blame}"


def _skipped(event: Resumed) -> str:
    newer = ", ".join(map(str, event.passed_over))
    return f" (not all ranks have {newer})" if newer else ""


def show_verdict(outcome: Outcome, ranks: Sequence[RankPlace], console: Console) -> None:
    """What came of it and where it is; a failure is shown as an error by the caller."""
    console.print(Text.assemble(("succeeded", "bold green"), f"  {outcome.run}"))
    if outcome.brief != outcome.state:
        console.print(f"  {outcome.brief}")
    if not outcome.results:
        return
    first = outcome.results[0]
    before, after = first.eval_loss_first, first.eval_loss_last
    if before is not None or after is not None:
        ratio = f" ({after / before:.2f} of it)" if before and after is not None else ""
        console.print(f"  held-out loss  {figures.loss(before)} -> {figures.loss(after)}{ratio}")
    if first.ended_early:
        console.print(f"  ended early    after step {first.step}: the held-out loss fell no more")
    if first.kept_step not in (None, first.step):
        console.print(f"  saved          is step {first.kept_step}, the lowest held-out loss")
    if peaks := _largest([result.memory or {} for result in outcome.results]):
        console.print(f"  peak memory    {figures.peaks(peaks)}")
    if first.saved is None:
        return
    kind = PurePosixPath(first.saved).name
    digest = first.weights_sha256[:16]
    console.print(f"  {kind:<13}  sha256 {digest}…, the same on all {len(ranks)} ranks")
    console.print(f"  on {ranks[0].node:<12}{ranks[0].folder}/{kind}")


def _largest(memories: Sequence[Mapping[str, int]]) -> dict[str, int]:
    """Bytes by kind, of whichever rank has most."""
    kinds = dict.fromkeys(kind for memory in memories for kind in memory)
    return {kind: max(memory.get(kind, 0) for memory in memories) for kind in kinds}
