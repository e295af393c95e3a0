"""What `sparkctl runs … --json` prints: one document for all of them.

docs/schema/runs-report.json is generated from these models.
"""

from dataclasses import asdict
from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from orchestrator.runs.reading import Reading
from orchestrator.runs.run import Run
from orchestrator.runs.summary import summary


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
    """What it was doing at its last sign of life."""
    step: int
    """Optimizer steps made."""
    tokens_per_second: float | None
    """Real tokens, of this rank alone."""
    memory_available: int | None
    """Bytes of its node."""
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
    """Training loss of the last step that was told."""
    eval_loss: float | None
    """Held-out loss, the last one."""
    tokens_per_second: float | None
    """Real tokens, of all ranks: the median when it has ended, else of the last step."""
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


class UnreadableReport(_Part):
    """A run of which nothing is believed; it can be deleted by its name."""

    run: str
    """Its name: that of its folder."""
    why: str
    """In words."""
    nodes: list[str]
    """Those that have a part of it."""


class RunsReport(_Part):
    """The document."""

    apiVersion: Literal["sparkctl/v1"] = "sparkctl/v1"  # noqa: N815
    kind: Literal["RunsReport"] = "RunsReport"
    runs: list[RunReport]
    """Newest first."""
    unreadable: list[UnreadableReport] = []
    """Those whose records cannot be understood, contradict each other, or are newer."""
    errors: list[dict[str, Any]] = []
    """Of nodes that could not be read."""


def runs_report(reading: Reading, runs: tuple[Run, ...]) -> RunsReport:
    """The report of these runs."""
    return RunsReport(
        runs=[RunReport.model_validate(asdict(summary(run))) for run in runs],
        unreadable=[
            UnreadableReport(run=one.name, why=one.why, nodes=list(one.bytes))
            for one in (reading.unreadable if runs == reading.runs else ())
        ],
        errors=[error.to_dict() for error in reading.errors.values()],
    )
