"""`sparkctl cluster plan | up | down`; `status` and `lock` have files of their own."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from orchestrator.cli.asking import Terminal
from orchestrator.cli.cluster_file import file_option, pass_file
from orchestrator.cli.groups import Ordered
from orchestrator.cli.interrupt import stopped_by_interrupt
from orchestrator.cli.lock import lock
from orchestrator.cli.options import (
    end_others_option,
    json_option,
    repair_option,
    skip_offline_option,
    yes_option,
)
from orchestrator.cli.reporting import Outcome, run_with_report
from orchestrator.cli.status import status

if TYPE_CHECKING:  # imported when the file has been read: help and its faults need none of it
    from orchestrator.api.cluster import Away, Change, Cluster, Plan
    from orchestrator.api.files import ClusterSpec


@click.group(
    cls=Ordered,
    order=("plan", "up", "status", "down", "lock"),
    examples=("sparkctl cluster plan", "sparkctl cluster up", "sparkctl cluster down"),
)
@file_option
def cluster() -> None:
    """Make the machines one swarm, look at it, give them back."""


cluster.add_command(status)
cluster.add_command(lock)


@cluster.command(
    examples=(
        "sparkctl cluster plan",
        "sparkctl cluster plan --diff",
        "sparkctl cluster plan --out today.plan",
    )
)
@click.option("--diff", is_flag=True, help="Show the lines of files that change.")
@click.option(
    "--out",
    "kept",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Save the plan to a file, for `up --plan`.",
)
@repair_option
@skip_offline_option
@json_option
@pass_file
def plan(
    file: Path, diff: bool, kept: Path | None, repair: bool, skip_offline: bool, as_json: bool
) -> None:
    """Show what `up` would change. Changes nothing."""

    def run(spec: "ClusterSpec") -> Outcome:
        with _opened(spec, Terminal(), _away(skip_offline, "up")) as machines:
            skipped = _skipped(machines)
            planned = next(machines.plans("up", repair=repair))
        from orchestrator.api.cluster import write_plan
        from orchestrator.ui.console import out
        from orchestrator.ui.plan_view import show_plan
        from orchestrator.ui.report import plan_report

        if not as_json:
            show_plan(planned, out(), diffs=diff)
        if kept is not None:
            write_plan(planned, kept)
        converged = not planned.steps
        return plan_report("plan", planned, converged=converged, skipped=skipped), None

    run_with_report("plan", file, as_json, run)


@cluster.command(
    examples=(
        "sparkctl cluster up",
        "sparkctl cluster up --plan today.plan --yes",
        "sparkctl cluster up -f office.yaml --skip-offline",
    )
)
@click.option(
    "--plan",
    "kept",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Apply a saved plan; refuse if it is stale.",
)
@repair_option
@skip_offline_option
@yes_option
@end_others_option
@json_option
@pass_file
def up(
    file: Path,
    kept: Path | None,
    repair: bool,
    skip_offline: bool,
    yes: bool,
    end_others: bool,
    as_json: bool,
) -> None:
    """Make the machines one GPU swarm. Idempotent."""

    def run(spec: "ClusterSpec") -> Outcome:
        with _opened(spec, Terminal(yes, end_others), _away(skip_offline, "up")) as machines:
            skipped = _skipped(machines)
            repaired: list[Change] = []
            for planned in machines.plans("up", repair=repair):
                if planned.direction == "repair":
                    _apply(machines, planned, as_json)
                    repaired += planned.changes
            if kept is not None:
                machines.ensure_current(planned, kept)
            planned = machines.ask_ports(planned)
            _apply(machines, planned, as_json)
        from orchestrator.ui.report import plan_report

        return plan_report("up", planned, converged=True, first=repaired, skipped=skipped), None

    run_with_report("up", file, as_json, run)


@cluster.command(examples=("sparkctl cluster down", "sparkctl cluster down --delete-runs --yes"))
@click.option("--delete-runs", is_flag=True, help="Also delete what training runs have written.")
@repair_option
@skip_offline_option
@yes_option
@end_others_option
@json_option
@pass_file
def down(
    file: Path,
    delete_runs: bool,
    repair: bool,
    skip_offline: bool,
    yes: bool,
    end_others: bool,
    as_json: bool,
) -> None:
    """Give every machine back as it was found, from the journal on the machine itself."""

    def run(spec: "ClusterSpec") -> Outcome:
        with _opened(spec, Terminal(yes, end_others), _away(skip_offline, "down")) as machines:
            skipped = _skipped(machines)
            repaired: list[Change] = []
            for planned in machines.plans("down", repair=repair, delete_runs=delete_runs):
                _apply(machines, planned, as_json)
                repaired += planned.changes if planned.direction == "repair" else ()
            problem = machines.left_unread()
        from orchestrator.ui.report import plan_report

        report = plan_report(
            "down",
            planned,
            converged=problem is None,
            first=repaired,
            skipped=skipped,
            error=problem,
        )
        return report, problem

    run_with_report("down", file, as_json, run)


@contextmanager
def _opened(spec: "ClusterSpec", person: Terminal, away: "Away") -> "Iterator[Cluster]":
    """The machines; while they answer, what shows their plan is imported."""
    from orchestrator.api.cluster import Cluster

    with Cluster.open(spec, person, away=away) as machines:
        threading.Thread(target=_import_views, daemon=True).start()
        yield machines


def _import_views() -> None:
    from orchestrator.ui import plan_view, report  # noqa: F401


def _apply(machines: "Cluster", plan: "Plan", as_json: bool) -> None:
    """Show the plan, ask, and make its changes."""
    from orchestrator.api.cluster import CurrentChanges
    from orchestrator.ui.console import err, out
    from orchestrator.ui.plan_view import progress_lines, show_plan

    if not as_json:
        show_plan(plan, out())
    current = CurrentChanges()
    with stopped_by_interrupt(current):
        machines.apply(plan, progress_lines(err() if as_json else out()), current)


def _away(skip_offline: bool, direction: str) -> "Away":
    """A manager that is offline can be left out on the way back only."""
    if not skip_offline:
        return "refuse"
    return "skip" if direction == "down" else "skip-workers"


def _skipped(machines: "Cluster") -> list[str]:
    """Names of the machines that are skipped; prints a warning for each."""
    from orchestrator.ui.console import err

    for error in machines.away.values():
        err().print(f"skipped: {error.brief}", style="yellow")
    return list(machines.away)
