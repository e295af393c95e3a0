"""What a person or a program wants to know of a run at a glance. Pure.

The models are those of `sparkctl runs … --json`.
"""

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from orchestrator.runs.run import Run
from orchestrator.runs.seen import RankSeen
from training.contract.counts import DataCounts
from training.contract.events import DataRead, Eval, Result, Start, Step


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class RankReport(_Part):
    """One rank of a run."""

    rank: int
    """Its number."""
    node: str
    """Where it is."""
    task: str | None
    """State of its newest Swarm task; null when its service is gone."""
    phase: str | None
    """What it was doing at its last heartbeat."""
    step: int
    """Optimizer steps made."""
    tokens_per_second: float | None
    """Real tokens, of this rank alone."""
    memory_available: int | None
    """Bytes of its node."""
    memory: dict[str, int] | None = None
    """Peaks in bytes, by kind as in the event `step`; null where the rank says none."""
    bytes: int
    """Size of the run folder on its node."""
    unreadable: list[str] = []
    """Names of its files that cannot be understood."""


class RunReport(_Part):
    """One run."""

    run: str
    """Its name, unique on the cluster."""
    stack: str
    """The recipe."""
    state: Literal[
        "starting",
        "running",
        "restarting",
        "succeeded",
        "failed",
        "stopped",
        "broken",
        "lost",
        "unknown",
    ]
    """succeeded, failed, stopped: the verdict. broken: its containers ended without one. lost: its
    services are gone without one. unknown: Swarm could not be asked."""
    created: datetime
    """UTC."""
    step: int
    """The furthest that any rank came."""
    total_steps: int | None
    """null before the training has begun."""
    loss: float | None
    """Training loss of the last reported step."""
    eval_loss: float | None
    """Held-out loss, the last one."""
    tokens_per_second: float | None
    """Real tokens, of all ranks: the median when it has ended, else of the last step."""
    data: DataCounts | None = None
    """What came of the rows; null before they are read, and in `runs list` of a long run."""
    attempts: int
    """Attempts that ended."""
    image: str
    """Training image; the tag is the hash of its contents."""
    ranks: list[RankReport]
    """In order."""
    losses: list[float]
    """Training loss of the last steps, oldest first."""
    verdict: dict[str, Any] | None
    """As in verdict-rank<R>.json (docs/runs.md)."""


def _peaks(seen: RankSeen) -> dict[str, int] | None:
    """Of the whole training once it has ended, else so far."""
    told = (seen.last(Result), seen.last(Step))
    return next((event.memory for event in told if event and event.memory), None)


def summary(run: Run) -> RunReport:
    """From its folders and Swarm."""
    first = run.ranks.get(0, RankSeen())
    step, start, result = first.last(Step), first.last(Start), first.last(Result)
    evaluation, data = first.last(Eval), first.last(DataRead)
    tasks = {task.rank: task.state for task in run.tasks or ()}
    ranks = []
    for place in run.record.ranks:
        seen = run.ranks.get(place.rank, RankSeen())
        beat, last = seen.heartbeat, seen.last(Step)
        ranks.append(
            RankReport(
                rank=place.rank,
                node=place.node,
                task=tasks.get(place.rank),
                phase=beat.phase if beat else None,
                step=max((beat.step or 0) if beat else 0, last.step if last else 0),
                tokens_per_second=last.rank_tokens_per_second if last else None,
                memory_available=last.memory_available if last else None,
                memory=_peaks(seen),
                bytes=run.bytes.get(place.node, 0),
                unreadable=list(seen.unreadable),
            )
        )
    verdict = run.verdict
    known = step or start
    paces = [event.tokens_per_second for event in (result, step) if event is not None]
    return RunReport(
        run=run.name,
        stack=run.record.stack_name,
        state=run.state,
        created=run.record.created,
        step=max([0, *(rank.step for rank in ranks), *([verdict.step] if verdict else [])]),
        total_steps=known.total_steps if known else None,
        loss=step.loss if step else None,
        eval_loss=evaluation.loss if evaluation else None,
        tokens_per_second=next((pace for pace in paces if pace is not None), None),
        data=data.counts if data else None,
        attempts=len(run.attempts),
        image=run.record.image,
        ranks=ranks,
        losses=[
            event.loss
            for event in first.events
            if isinstance(event, Step) and event.loss is not None
        ],
        verdict=verdict.model_dump(exclude={"event"}) if verdict else None,
    )
