"""The frame of every `sparkctl cluster …` command: the file, the work, the report."""

from collections.abc import Callable
from pathlib import Path
from typing import Literal

import click

from orchestrator.api.files import ClusterSpec, load_cluster
from orchestrator.errors import SparkctlError
from orchestrator.ui.plain import json_text
from orchestrator.ui.report import ClusterReport, error_report

Outcome = tuple[ClusterReport, SparkctlError | None]
Command = Literal["plan", "up", "status", "down"]


def run_with_report(
    command: Command, file: Path, as_json: bool, run: Callable[[ClusterSpec], Outcome]
) -> None:
    """With --json the document is printed whatever happens; errors keep their exit codes."""
    name: str | None = None
    problem: SparkctlError | None
    try:
        spec = load_cluster(file)
        name = spec.name
        report, problem = run(spec)
    except SparkctlError as error:
        report, problem = error_report(command, name, error), error
    if as_json:
        click.echo(json_text(report, indent=2))
    if problem is not None:
        raise problem
