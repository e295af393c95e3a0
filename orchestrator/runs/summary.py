"""What a person wants to know of a run at a glance. Pure."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from orchestrator.runs.run import Run
from orchestrator.runs.seen import RankSeen
from training.contract.events import Eval, Result, Start, Step


@dataclass(frozen=True)
class RankSummary:
    """One rank."""

    rank: int
    node: str
    task: str | None
    """State of its newest Swarm task; None when its service is gone."""
    phase: str | None
    step: int
    tokens_per_second: float | None
    """Real tokens, of this rank alone."""
    memory_available: int | None
    """Bytes of its node."""
    bytes: int
    """Size of the run folder on its node."""
    unreadable: tuple[str, ...] = ()
    """Names of its files that cannot be understood."""


@dataclass(frozen=True)
class Summary:
    """One run."""

    run: str
    stack: str
    state: str
    created: datetime
    step: int
    total_steps: int | None
    loss: float | None
    """Of the last step that was told."""
    eval_loss: float | None
    tokens_per_second: float | None
    """Real tokens, of all ranks: the median when it has ended, else of the last step."""
    attempts: int
    """Those that ended."""
    image: str
    ranks: tuple[RankSummary, ...]
    losses: tuple[float, ...]
    """Training loss of the last steps, oldest first."""
    verdict: dict[str, Any] | None


def summary(run: Run) -> Summary:
    """From what its folders and Swarm say."""
    first = run.ranks.get(0, RankSeen())
    step, start, result = first.last(Step), first.last(Start), first.last(Result)
    evaluation = first.last(Eval)
    tasks = {task.rank: task.state for task in run.tasks or ()}
    ranks = []
    for place in run.record.ranks:
        seen = run.ranks.get(place.rank, RankSeen())
        beat, told = seen.heartbeat, seen.last(Step)
        ranks.append(
            RankSummary(
                rank=place.rank,
                node=place.node,
                task=tasks.get(place.rank),
                phase=beat.phase if beat else None,
                step=max((beat.step or 0) if beat else 0, told.step if told else 0),
                tokens_per_second=told.rank_tokens_per_second if told else None,
                memory_available=told.memory_available if told else None,
                bytes=run.bytes.get(place.node, 0),
                unreadable=seen.unreadable,
            )
        )
    verdict = run.verdict
    known = step or start
    paces = [told.tokens_per_second for told in (result, step) if told is not None]
    return Summary(
        run=run.name,
        stack=run.record.stack_name,
        state=run.state,
        created=run.record.created,
        step=max([0, *(rank.step for rank in ranks), *([verdict.step] if verdict else [])]),
        total_steps=known.total_steps if known else None,
        loss=step.loss if step else None,
        eval_loss=evaluation.loss if evaluation else None,
        tokens_per_second=next((pace for pace in paces if pace is not None), None),
        attempts=len(run.attempts),
        image=run.record.image,
        ranks=tuple(ranks),
        losses=tuple(
            event.loss
            for event in first.events
            if isinstance(event, Step) and event.loss is not None
        ),
        verdict=verdict.model_dump(exclude={"event"}) if verdict else None,
    )
