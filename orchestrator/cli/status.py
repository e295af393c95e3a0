"""`sparkctl cluster status`."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from orchestrator.cli.asking import Terminal
from orchestrator.cli.cluster_file import pass_file
from orchestrator.cli.groups import Command
from orchestrator.cli.interrupt import ended_by_ctrl_c
from orchestrator.cli.options import json_option
from orchestrator.cli.reporting import Outcome, run_with_report

if TYPE_CHECKING:
    from orchestrator.api.files import ClusterSpec

DRIFT = 2  # exit code of `status --check`


@click.command(
    cls=Command,
    examples=(
        "sparkctl cluster status",
        "sparkctl cluster status --check --json",
        "sparkctl cluster status --watch",
    ),
)
@click.option("--check", is_flag=True, help="Exit with 2 when reality differs from the file.")
@click.option("--watch", "live", is_flag=True, help="Show GPUs, memory and runs until Ctrl-C.")
@click.option(
    "--interval",
    type=click.FloatRange(0.5, 3600),
    default=2.0,
    show_default=True,
    help="Seconds between two looks of --watch.",
)
@json_option
@pass_file
def status(file: Path, check: bool, live: bool, interval: float, as_json: bool) -> None:
    """Show the machines, the swarm, and whether reality is as the file says."""
    if live and (check or as_json):
        raise click.UsageError("--watch goes on for ever: it knows neither --check nor --json.")
    if live:
        from orchestrator.api.watching import watch
        from orchestrator.ui.console import out
        from orchestrator.ui.watch_view import show_watch

        with ended_by_ctrl_c():
            show_watch(watch(file, Terminal(), interval=interval), out())
        return
    drifted = False

    def run(spec: "ClusterSpec") -> Outcome:
        from orchestrator.api.cluster import Cluster
        from orchestrator.ui.console import out
        from orchestrator.ui.report import status_report
        from orchestrator.ui.status_view import node_reports, show_drift, show_status

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
