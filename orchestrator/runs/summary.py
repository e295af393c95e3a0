"""What a person wants to know of a run at a glance. Pure."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from orchestrator.runs.reading import Run


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
    first = run.ranks.get(0)
    step = first.last("step") if first else {}
    start = first.last("start") if first else {}
    result = first.last("result") if first else {}
    evaluation = first.last("eval") if first else {}
    tasks = {task.rank: task.state for task in run.tasks}
    ranks = []
    for place in run.record.ranks:
        seen = run.ranks.get(place.rank)
        beat, told = (seen.heartbeat or {}, seen.last("step")) if seen else ({}, {})
        ranks.append(
            RankSummary(
                rank=place.rank,
                node=place.node,
                task=tasks.get(place.rank),
                phase=beat.get("phase"),
                step=max(beat.get("step") or 0, told.get("step") or 0),
                tokens_per_second=told.get("rank_tokens_per_second"),
                memory_available=told.get("memory_available"),
                bytes=run.bytes.get(place.node, 0),
            )
        )
    verdict = dict(run.verdict) if run.verdict else None
    return Summary(
        run=run.name,
        stack=run.record.stack_name,
        state=run.state,
        created=run.record.created,
        step=max([0, *(rank.step for rank in ranks), *([verdict["step"]] if verdict else [])]),
        total_steps=step.get("total_steps") or start.get("total_steps"),
        loss=step.get("loss"),
        eval_loss=evaluation.get("loss"),
        tokens_per_second=result.get("tokens_per_second") or step.get("tokens_per_second"),
        attempts=len(run.attempts),
        image=run.record.image,
        ranks=tuple(ranks),
        losses=tuple(
            event["loss"]
            for event in (first.events if first else ())
            if event.get("event") == "step" and event.get("loss") is not None
        ),
        verdict=verdict,
    )
