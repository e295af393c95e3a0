"""`sparkctl cluster plan | up | down`; `status` and `lock` have files of their own."""

from functools import partial
from pathlib import Path

import click

from orchestrator.cli.asking import ask_sudo_password
from orchestrator.cli.consent import Consent
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
from orchestrator.cli.reached import reached
from orchestrator.cli.reporting import Command, Outcome, reported
from orchestrator.cli.status import status
from orchestrator.doctor.before_change import check, check_down
from orchestrator.node.node import Node
from orchestrator.reconcile.apply import Planner, carry_out
from orchestrator.reconcile.at_hand import AtHand
from orchestrator.reconcile.evidence import left_unread
from orchestrator.reconcile.observe import observe
from orchestrator.reconcile.owner import this_owner
from orchestrator.reconcile.plan import Plan, plan_down, plan_up
from orchestrator.reconcile.plan_file import refuse_stale, write_plan
from orchestrator.reconcile.ports import with_ports_asked
from orchestrator.reconcile.repair import plan_repair
from orchestrator.resources.base import Change, World
from orchestrator.spec.cluster import ClusterSpec
from orchestrator.ui.console import err, out
from orchestrator.ui.plan_view import progress_lines, show_plan
from orchestrator.ui.report import plan_report


@click.group(cls=Ordered, order=("plan", "up", "status", "down", "lock"))
def cluster() -> None:
    """Make the machines one swarm, look at it, give them back."""


cluster.add_command(status)
cluster.add_command(lock)


@cluster.command()
@click.option("--diff", is_flag=True, help="Show the lines of files that change.")
@click.option(
    "--out",
    "kept",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Keep the plan in a file, for `up --plan`.",
)
@repair_option
@skip_offline_option
@json_option
@click.pass_obj
def plan(
    file: Path, diff: bool, kept: Path | None, repair: bool, skip_offline: bool, as_json: bool
) -> None:
    """Show what `up` would change. Changes nothing."""

    def run(spec: ClusterSpec) -> Outcome:
        with reached(spec, skip_offline=skip_offline, manager_too=False) as (nodes, skipped):
            world = observe(spec, nodes, ask=ask_sudo_password)
        planned = plan_repair(spec, world) if repair else None
        if planned is None or not planned.steps:
            check(spec, world)
            planned = plan_up(spec, world)
        if not as_json:
            show_plan(planned, out(), diffs=diff)
        if kept is not None:
            write_plan(planned, kept)
        converged = not planned.steps
        return plan_report("plan", planned, converged=converged, skipped=skipped), None

    reported("plan", file, as_json, run)


@cluster.command()
@click.option(
    "--plan",
    "kept",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Do what `plan --out` has written, or refuse when that is no longer what is to be done.",
)
@repair_option
@skip_offline_option
@yes_option
@end_others_option
@json_option
@click.pass_obj
def up(
    file: Path,
    kept: Path | None,
    repair: bool,
    skip_offline: bool,
    yes: bool,
    end_others: bool,
    as_json: bool,
) -> None:
    """Make the machines one GPU swarm. Twice is the same as once."""

    def run(spec: ClusterSpec) -> Outcome:
        with reached(spec, skip_offline=skip_offline, manager_too=False) as (nodes, skipped):
            settle = partial(_settle, "up", spec, nodes, Consent(yes, end_others), as_json)
            world: World = observe(spec, nodes, ask=ask_sudo_password)
            world, repaired = _repaired(spec, world, settle) if repair else (world, ())
            check(spec, world)
            planned = plan_up(spec, world)
            if kept is not None:
                refuse_stale(planned, kept)
            planned = with_ports_asked(planned, world, nodes)
            settle(planned, partial(plan_up, spec), world)
        return plan_report("up", planned, converged=True, first=repaired, skipped=skipped), None

    reported("up", file, as_json, run)


@cluster.command()
@click.option("--delete-runs", is_flag=True, help="Also delete what training runs have written.")
@repair_option
@skip_offline_option
@yes_option
@end_others_option
@json_option
@click.pass_obj
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

    def run(spec: ClusterSpec) -> Outcome:
        with reached(spec, skip_offline=skip_offline) as (nodes, skipped):
            settle = partial(_settle, "down", spec, nodes, Consent(yes, end_others), as_json)
            world: World = observe(spec, nodes, ask=ask_sudo_password)
            world, repaired = _repaired(spec, world, settle) if repair else (world, ())
            check_down(spec, world)
            planner = partial(plan_down, spec, delete_runs=delete_runs)
            planned = planner(world)
            world = settle(planned, planner, world)
        problem = left_unread(spec, world)
        report = plan_report(
            "down",
            planned,
            converged=problem is None,
            first=repaired,
            skipped=skipped,
            error=problem,
        )
        return report, problem

    reported("down", file, as_json, run)


def _settle(
    command: Command,
    spec: ClusterSpec,
    nodes: dict[str, Node],
    consent: Consent,
    as_json: bool,
    plan: Plan,
    planner: Planner,
    world: World,
) -> World:
    """Show the plan, ask, and carry it out; the machines as they are afterwards."""
    if not as_json:
        show_plan(plan, out())
    if not plan.steps and not plan.settled and command == "up":
        return world  # `down` takes over the lock that a dead `up` may have left, and frees it
    if plan.steps:
        consent.to(plan)
    listen = progress_lines(err() if as_json else out())
    owner = this_owner(f"sparkctl cluster {command}")
    at_hand = AtHand()
    with stopped_by_interrupt(at_hand):
        return carry_out(plan, planner, spec, nodes, owner, listen, at_hand)


def _repaired(
    spec: ClusterSpec, world: World, settle: partial[World]
) -> tuple[World, tuple[Change, ...]]:
    """First the engines; what their swarms need can be seen when they answer."""
    planner = partial(plan_repair, spec)
    done: tuple[Change, ...] = ()
    for _ in range(2):
        if not (planned := planner(world)).steps:
            break
        world = settle(planned, planner, world)
        done += planned.changes
    return world, done
