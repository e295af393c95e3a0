"""`sparkctl cluster status`."""

from pathlib import Path

import click

from orchestrator.api.cluster import Cluster
from orchestrator.api.files import ClusterSpec
from orchestrator.cli.asking import Terminal
from orchestrator.cli.options import json_option
from orchestrator.cli.reporting import Outcome, run_with_report
from orchestrator.ui.console import out
from orchestrator.ui.report import status_report
from orchestrator.ui.status_view import node_reports, show_drift, show_status

DRIFT = 2  # exit code of `status --check`


@click.command()
@click.option("--check", is_flag=True, help="Exit with 2 when reality differs from the file.")
@json_option
@click.pass_obj
def status(file: Path, check: bool, as_json: bool) -> None:
    """Show the machines, the swarm, and whether reality is as the file says."""
    drifted = False

    def run(spec: ClusterSpec) -> Outcome:
        nonlocal drifted
        with Cluster.open(spec, Terminal(), away="keep") as machines:
            found = machines.status()
        rows = node_reports(spec, found.world, found.errors)
        if not as_json:
            show_status(rows, out())
            if found.plan is not None:
                show_drift(found.plan, out())
        drifted = found.plan is not None and bool(found.plan.steps)
        return status_report(spec.name, rows, found.plan, found.problem), found.problem

    run_with_report("status", file, as_json, run)
    if check and drifted:
        raise click.exceptions.Exit(DRIFT)
