"""`sparkctl cluster plan | up | status | down`."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Literal

import click

from orchestrator.cli.asking import ask_sudo_password, confirm
from orchestrator.cli.interrupt import stopped_by_interrupt
from orchestrator.cli.lock import lock
from orchestrator.cli.options import json_option, yes_option
from orchestrator.errors import SparkctlError
from orchestrator.node.connect import connected, reachable
from orchestrator.node.facts import Facts
from orchestrator.node.node import Node
from orchestrator.node.parallel import raise_all
from orchestrator.reconcile.apply import apply_down, apply_up
from orchestrator.reconcile.lock import locked, this_owner
from orchestrator.reconcile.observe import observe, try_observe
from orchestrator.reconcile.plan import Plan, plan_down, plan_up
from orchestrator.reconcile.plan_file import refuse_changed, refuse_stale, write_plan
from orchestrator.reconcile.preflight import check as preflight
from orchestrator.spec.cluster import ClusterSpec
from orchestrator.spec.load import load_cluster
from orchestrator.ui.console import err, out
from orchestrator.ui.plan_view import progress_lines, show_plan
from orchestrator.ui.report import ClusterReport, error_report, plan_report, status_report
from orchestrator.ui.status_view import node_statuses, show_drift, show_status

DRIFT = 2  # exit code of `status --check`

Outcome = tuple[ClusterReport, SparkctlError | None]
Command = Literal["plan", "up", "status", "down"]


@click.group()
def cluster() -> None:
    """Make the machines one swarm, look at it, give them back."""


cluster.add_command(lock)


@cluster.command()
@click.option("--diff", is_flag=True, help="Show the lines of files that change.")
@click.option(
    "--out",
    "kept",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Keep the plan in a file, for `up --plan`.",
)
@json_option
@click.pass_obj
def plan(file: Path, diff: bool, kept: Path | None, as_json: bool) -> None:
    """Show what `up` would change. Changes nothing."""

    def run(spec: ClusterSpec) -> Outcome:
        with connected(spec) as nodes:
            planned = _planned_up(spec, observe(spec, nodes, ask=ask_sudo_password))
        if not as_json:
            show_plan(planned, out(), diffs=diff)
        if kept is not None:
            write_plan(planned, kept)
        return plan_report("plan", planned, converged=not planned.steps), None

    _report("plan", file, as_json, run)


@cluster.command()
@click.option(
    "--plan",
    "kept",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Do what `plan --out` has written, or refuse when that is no longer what is to be done.",
)
@yes_option
@json_option
@click.pass_obj
def up(file: Path, kept: Path | None, yes: bool, as_json: bool) -> None:
    """Make the machines one GPU swarm. Twice is the same as once."""

    def run(spec: ClusterSpec) -> Outcome:
        with connected(spec) as nodes:
            world = observe(spec, nodes, ask=ask_sudo_password)
            planned = _planned_up(spec, world)
            if kept is not None:
                refuse_stale(planned, kept)
            if not as_json:
                show_plan(planned, out())
            if planned.steps:
                confirm(_question(planned), yes=yes)
                listen = progress_lines(err() if as_json else out())
                with stopped_by_interrupt() as stop, _hold("up", spec, nodes):
                    world = observe(spec, nodes)
                    refuse_changed(plan_up(spec, world), planned)
                    apply_up(planned, spec, nodes, world, listen, stop)
        return plan_report("up", planned, converged=True), None

    _report("up", file, as_json, run)


@cluster.command()
@click.option("--check", is_flag=True, help="Exit with 2 when reality differs from the file.")
@json_option
@click.pass_obj
def status(file: Path, check: bool, as_json: bool) -> None:
    """Show the machines, the swarm, and whether reality is as the file says."""
    drifted = False

    def run(spec: ClusterSpec) -> Outcome:
        nonlocal drifted
        with reachable(spec) as (nodes, errors):
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

    _report("status", file, as_json, run)
    if check and drifted:
        raise click.exceptions.Exit(DRIFT)


@cluster.command()
@click.option("--delete-runs", is_flag=True, help="Also delete what training runs have written.")
@yes_option
@json_option
@click.pass_obj
def down(file: Path, delete_runs: bool, yes: bool, as_json: bool) -> None:
    """Give every machine back as it was found, from the journal on the machine itself."""

    def run(spec: ClusterSpec) -> Outcome:
        with connected(spec) as nodes:
            world = observe(spec, nodes, ask=ask_sudo_password)
            planned = plan_down(spec, world, delete_runs=delete_runs)
            if not as_json:
                show_plan(planned, out())
            if planned.steps:
                confirm(_question(planned), yes=yes)
            if planned.steps or planned.settled:
                listen = progress_lines(err() if as_json else out())
                with stopped_by_interrupt() as stop, _hold("down", spec, nodes):
                    again = plan_down(spec, observe(spec, nodes), delete_runs=delete_runs)
                    refuse_changed(again, planned)
                    apply_down(planned, spec, nodes, listen, stop)
        return plan_report("down", planned, converged=True), None

    _report("down", file, as_json, run)


def _hold(
    command: Command, spec: ClusterSpec, nodes: dict[str, Node]
) -> AbstractContextManager[None]:
    return locked(nodes, spec.paths.state, this_owner(f"sparkctl cluster {command}"))


def _planned_up(spec: ClusterSpec, world: dict[str, Facts]) -> Plan:
    preflight(spec, world)
    return plan_up(spec, world)


def _drift(
    spec: ClusterSpec, world: dict[str, Facts], errors: dict[str, SparkctlError]
) -> tuple[Plan | None, SparkctlError | None]:
    """What `up` would change, or why that cannot be said; the machines are shown all the same."""
    try:
        raise_all(errors)
        return _planned_up(spec, world), None
    except SparkctlError as problem:
        return None, problem


def _question(plan: Plan) -> str:
    machines = ", ".join(plan.nodes)
    return f"Change {machines} of cluster {plan.cluster!r}?"


def _report(
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
        click.echo(report.model_dump_json(indent=2))
    if problem is not None:
        raise problem
