"""`sparkctl cluster status`."""

from pathlib import Path

import click

from orchestrator.cli.asking import ask_passphrase, ask_sudo_password
from orchestrator.cli.options import json_option
from orchestrator.cli.reporting import Outcome, reported
from orchestrator.doctor.before_change import check as preflight
from orchestrator.errors import SparkctlError
from orchestrator.facts.machine import Facts
from orchestrator.node.connect import reachable
from orchestrator.node.parallel import raise_all
from orchestrator.reconcile.observe import try_observe
from orchestrator.reconcile.plan import Plan, plan_up
from orchestrator.spec.cluster import ClusterSpec
from orchestrator.ui.console import out
from orchestrator.ui.report import status_report
from orchestrator.ui.status_view import node_statuses, show_drift, show_status

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
        with reachable(spec, ask_passphrase=ask_passphrase) as (nodes, errors):
            world, unread = try_observe(spec, nodes, ask=ask_sudo_password)
        errors = errors | unread
        planned, problem = _drift(spec, world, errors)
        rows = node_statuses(spec, world, errors)
        if not as_json:
            show_status(rows, out())
            if planned is not None:
                show_drift(planned, out())
        drifted = planned is not None and bool(planned.steps)
        return status_report(spec.name, rows, planned, problem), problem

    reported("status", file, as_json, run)
    if check and drifted:
        raise click.exceptions.Exit(DRIFT)


def _drift(
    spec: ClusterSpec, world: dict[str, Facts], errors: dict[str, SparkctlError]
) -> tuple[Plan | None, SparkctlError | None]:
    """What `up` would change, or why that cannot be said; the machines are shown all the same."""
    try:
        raise_all(errors)
        preflight(spec, world)
        return plan_up(spec, world), None
    except SparkctlError as problem:
        return None, problem
