"""The frame of every `sparkctl cluster …` command: the file, the work, the report."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias

import click

from orchestrator.errors import SparkctlError
from orchestrator.ui.plain import json_text

if TYPE_CHECKING:  # a file that cannot be read needs none of it
    from orchestrator.api.files import ClusterSpec
    from orchestrator.ui.report import ClusterReport

Outcome: TypeAlias = "tuple[ClusterReport, SparkctlError | None]"
Command = Literal["plan", "up", "status", "down"]


def run_with_report(
    command: Command, file: Path, as_json: bool, run: "Callable[[ClusterSpec], Outcome]"
) -> None:
    """With --json the document is printed whatever happens; errors keep their exit codes."""
    from orchestrator.api.files import load_cluster

    name: str | None = None
    try:
        spec = load_cluster(file)
        name = spec.name
        report, problem = run(spec)
    except SparkctlError as error:
        if as_json:
            from orchestrator.ui.report import error_report

            click.echo(json_text(error_report(command, name, error), indent=2))
        raise
    if as_json:
        click.echo(json_text(report, indent=2))
    if problem is not None:
        raise problem
