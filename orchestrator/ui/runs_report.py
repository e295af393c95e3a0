"""What `sparkctl runs … --json` prints: one document for all of them.

docs/schema/runs-report.json is generated from these models.
"""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from orchestrator.runs.reading import RunIndex
from orchestrator.runs.run import Run
from orchestrator.runs.summary import RunReport, summary


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class UnreadableReport(_Part):
    """A run of which nothing is believed; it can be deleted by its name."""

    run: str
    """Its name: that of its folder."""
    why: str
    """In words."""
    nodes: list[str]
    """Names of the nodes that have a part of it."""


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


def runs_report(reading: RunIndex, runs: tuple[Run, ...]) -> RunsReport:
    """The report of these runs."""
    return RunsReport(
        runs=[summary(run) for run in runs],
        unreadable=[
            UnreadableReport(run=one.name, why=one.why, nodes=list(one.bytes))
            for one in (reading.unreadable if runs == reading.runs else ())
        ],
        errors=[error.to_dict() for error in reading.errors.values()],
    )
