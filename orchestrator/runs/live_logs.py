"""The logs of a run while it goes on: what is there, then each line as it is written."""

from collections.abc import Callable, Mapping
from dataclasses import replace

from orchestrator.node.node import Node
from orchestrator.runs.control import log_sizes
from orchestrator.runs.events import (
    Ended,
    LogLine,
    NodeBack,
    NodeGone,
    NodeSilent,
    RankEvent,
    RunEvent,
    RunListener,
)
from orchestrator.runs.logs import Wanted, read_logs, shortened
from orchestrator.runs.verdict import Outcome
from training.contract.record import RunRecord

Watch = Callable[[RunListener, dict[int, int]], Outcome]
"""Follows the run to its end (`follow`), from these bytes of each rank's log on, which grow."""


def follow_logs(
    record: RunRecord, nodes: Mapping[str, Node], wanted: Wanted, listen: RunListener, watch: Watch
) -> Outcome:
    """Tell every wanted line, once and in its order, what becomes of the machines, and the end."""
    sizes = log_sizes(record, nodes) if wanted.ranks else {}
    offsets = {rank: size for rank, size in sizes.items() if rank not in wanted.ranks}

    def tell(wanted: Wanted) -> None:
        for at, rank, text in read_logs(record.ranks, nodes, wanted, offsets):
            listen(LogLine(rank, text, at))

    tell(wanted)
    outcome = watch(_lines(wanted, listen), offsets)
    tell(replace(wanted, tail=None))  # of ranks that were still writing at the verdict
    listen(Ended(outcome))
    return outcome


def _lines(wanted: Wanted, listen: RunListener) -> RunListener:
    """Hands on lines that are wanted, an event as its line, and what becomes of the machines."""
    times: dict[int, str] = {}

    def hear(event: RunEvent) -> None:
        written = event.line if isinstance(event, RankEvent) else event
        if isinstance(written, LogLine):
            at = times[written.rank] = written.at or times.get(written.rank, "")
            line = at, written.rank, shortened(written.text)
            if wanted.has(line):
                listen(LogLine(written.rank, line[2], at))
        elif isinstance(event, NodeSilent | NodeBack | NodeGone):
            listen(event)

    return hear
