"""`sparkctl runs …`: the runs of the cluster, wherever they were started."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from orchestrator.cli import completing
from orchestrator.cli.asking import Terminal
from orchestrator.cli.cluster_file import file_option, pass_cluster
from orchestrator.cli.groups import Ordered
from orchestrator.cli.options import (
    debug_option,
    detach_option,
    json_lines_option,
    json_option,
    run_argument,
    skip_check_option,
    yes_option,
)
from orchestrator.cli.run_exec import exec_
from orchestrator.ui.plain import json_text

if TYPE_CHECKING:  # imported when the file has been read: help and its faults need none of it
    from orchestrator.api.files import ClusterSpec
    from orchestrator.api.runs import RunIndex


@click.group(
    cls=Ordered,
    order=("list", "show", "follow", "logs", "exec", "stop", "resume", "fetch", "compare", "rm"),
    examples=("sparkctl runs list", "sparkctl runs follow last", "sparkctl runs fetch last"),
)
@file_option
def runs() -> None:
    """The runs of the cluster. RUN is a name, its beginning, or `last`."""


runs.add_command(exec_)


@runs.command("list", examples=("sparkctl runs list", "sparkctl runs list --json"))
@json_option
@pass_cluster
def list_(spec: "ClusterSpec", as_json: bool) -> None:
    """List every run that the nodes know of, newest first."""
    from orchestrator.api.runs import Runs, summary
    from orchestrator.ui.console import out
    from orchestrator.ui.runs_report import runs_report
    from orchestrator.ui.runs_view import show_runs

    with Runs.open(spec, Terminal(), away="keep") as known:
        reading = known.read()
        completing.remember_runs(run.name for run in reading.runs)
        if as_json:
            click.echo(json_text(runs_report(reading, reading.runs), indent=2))
        else:
            _print_errors(reading)
            rows = [summary(run) for run in reading.runs]
            show_runs(rows, out(), reading.unreadable, complete=not reading.errors)
        known.require_manager(reading)


@runs.command(examples=("sparkctl runs show last",))
@run_argument
@json_option
@pass_cluster
def show(spec: "ClusterSpec", run: str, as_json: bool) -> None:
    """Show RUN: its settings, its progress, and how each attempt ended."""
    from orchestrator.api.runs import Runs, summary
    from orchestrator.ui.console import out
    from orchestrator.ui.runs_report import runs_report
    from orchestrator.ui.runs_view import show_run

    with Runs.open(spec, Terminal(), away="keep") as known:
        reading = known.read()
        found = known.detailed(reading.find(run))
        if as_json:
            click.echo(json_text(runs_report(reading, (found,)), indent=2))
        else:
            _print_errors(reading)
            show_run(found, summary(found), out())
        known.require_manager(reading)


@runs.command(
    examples=("sparkctl runs follow last", "sparkctl runs follow llama3-8b-lora-1124 --json")
)
@run_argument
@json_lines_option
@pass_cluster
def follow(spec: "ClusterSpec", run: str, as_json: bool) -> None:
    """Follow RUN to its end. Ctrl-C stops following; the run continues."""
    from orchestrator.api.runs import Runs
    from orchestrator.cli.progress import watch
    from orchestrator.ui.run_json import print_line, run_started

    with Runs.open(spec, Terminal()) as known:
        running = known.running(known.find(run))
        if as_json:
            print_line(run_started(running.record))
        watch(known, running, as_json=as_json)


@runs.command(examples=("sparkctl runs stop last",))
@run_argument
@json_option
@pass_cluster
def stop(spec: "ClusterSpec", run: str, as_json: bool) -> None:
    """Save a checkpoint after the current step, then end RUN; `resume` continues from there."""
    from orchestrator.api.runs import Runs
    from orchestrator.ui.console import out
    from orchestrator.ui.run_json import EndedLine, end_of, print_line

    with Runs.open(spec, Terminal()) as known:
        outcome = known.stop(known.find(run))
    if as_json:
        print_line(EndedLine(**end_of(outcome)).model_dump(mode="json", exclude={"kind"}))
        return
    out().print(f"{outcome.run}: {outcome.brief}")
    for line in (outcome.resolution or "").splitlines():
        out().print(line)


@runs.command(examples=("sparkctl runs resume last", "sparkctl runs resume last --detach --yes"))
@run_argument
@detach_option
@skip_check_option
@yes_option
@json_lines_option
@debug_option
@pass_cluster
def resume(
    spec: "ClusterSpec",
    run: str,
    detach: bool,
    skip: tuple[str, ...],
    yes: bool,
    as_json: bool,
    debug: bool,
) -> None:
    """Resume RUN, which was stopped or has failed, from its last checkpoint."""
    from orchestrator.api.runs import Runs
    from orchestrator.cli.progress import show_start, watch
    from orchestrator.ui.console import out
    from orchestrator.ui.run_json import print_line, run_started

    with Runs.open(spec, Terminal(yes)) as known:
        found = known.find(run)
        running = known.start(known.prepare_resume(found, debug=debug), show_start, skip=skip)
        if as_json:
            print_line(run_started(running.record))
        else:
            out().print(f"{found.name} resumed")
        if not detach:
            watch(known, running, as_json=as_json)


@runs.command(
    examples=("sparkctl runs rm llama3-8b-lora-1124", "sparkctl runs rm last --force --yes")
)
@run_argument
@click.option("--force", is_flag=True, help="Stop it first if it runs.")
@yes_option
@json_option
@pass_cluster
def rm(spec: "ClusterSpec", run: str, force: bool, yes: bool, as_json: bool) -> None:
    """Delete RUN on all nodes: its checkpoints, its logs, and what it has trained."""
    from orchestrator.api.runs import Runs
    from orchestrator.ui.console import out
    from orchestrator.ui.run_json import print_line

    with Runs.open(spec, Terminal(yes)) as known:
        found = known.read(whole=True).find_any(run)
        known.delete(found, force=force)
    if as_json:
        print_line({"run": found.name, "deleted": True})
    else:
        out().print(f"{found.name} is deleted")


@runs.command(
    examples=("sparkctl runs logs last", "sparkctl runs logs last -f --rank 1 --since 10m")
)
@run_argument
@click.option("--rank", type=int, multiple=True, shell_complete=completing.ranks,
              help="Only this rank; repeatable.")  # fmt: skip
@click.option(
    "--since", metavar="TIME", help="Only lines since then: 2026-11-24T16:30, or 10m, 2h, 1d ago."
)
@click.option("--events", is_flag=True, help="Also show events, which the log has as JSON.")
@click.option("--tail", type=click.IntRange(min=0), metavar="N", help="Only the last N lines.")
@click.option("-f", "--follow", is_flag=True, help="Go on with what is written, until RUN ends.")
@json_lines_option
@pass_cluster
def logs(
    spec: "ClusterSpec",
    run: str,
    rank: tuple[int, ...],
    since: str | None,
    events: bool,
    tail: int | None,
    follow: bool,
    as_json: bool,
) -> None:
    """Show what the ranks of RUN wrote, merged by time; also long after it has ended."""
    from orchestrator.api.runs import LogLine, Runs, Wanted, since_when
    from orchestrator.cli.progress import follow_lines
    from orchestrator.ui.console import out
    from orchestrator.ui.logs_view import show_logs
    from orchestrator.ui.run_json import event_line, print_line

    since_when(since)  # reject a bad time before anything is read
    with Runs.open(spec, Terminal(), away="keep") as known:
        reading = known.read()
        wanted = Wanted(rank, since_when(since, reading.clock), events, tail)
        found = reading.find(run)
        _print_errors(reading)
        if follow:
            follow_lines(known, found, wanted, as_json=as_json)
        elif as_json:
            for at, rank_, text in known.logs(found, wanted):
                print_line(event_line(LogLine(rank_, text, at)))
        else:
            show_logs(known.logs(found, wanted), out())


@runs.command(examples=("sparkctl runs fetch last", "sparkctl runs fetch last --to results"))
@run_argument
@click.option("--to", type=click.Path(path_type=Path, file_okay=False), default=Path(),
              help="The folder that RUN's folder is made in; default: here.")  # fmt: skip
@json_option
@pass_cluster
def fetch(spec: "ClusterSpec", run: str, to: Path, as_json: bool) -> None:
    """Copy the adapter or model, metrics, logs and settings of RUN here, checked by SHA-256."""
    from orchestrator.api.runs import Runs
    from orchestrator.ui.console import err, out
    from orchestrator.ui.run_json import print_line

    with Runs.open(spec, Terminal()) as known:
        found = known.find(run)
        fetched = known.fetch(found, to, lambda line: err().print(line))
    if as_json:
        print_line({"run": found.name} | asdict(fetched))
        return
    size = f"{fetched.bytes / 1e6:,.1f} MB"
    out().print(f"{fetched.folder}: {fetched.files} files, {size}")


@runs.command(examples=("sparkctl runs compare last llama3-8b-lora-1124",))
@click.argument("one", shell_complete=completing.runs)
@click.argument("other", shell_complete=completing.runs)
@json_option
@pass_cluster
def compare(spec: "ClusterSpec", one: str, other: str, as_json: bool) -> None:
    """Compare two runs: the settings that differ, and their results."""
    from orchestrator.api.runs import Runs
    from orchestrator.api.runs import compare as compare_runs
    from orchestrator.ui.console import out
    from orchestrator.ui.runs_view import show_comparison

    with Runs.open(spec, Terminal(), away="keep") as known:
        reading = known.read()
        both = [known.detailed(reading.find(name)) for name in (one, other)]
    compared = compare_runs(both[0], both[1])
    if as_json:
        kind = {"apiVersion": "sparkctl/v1", "kind": "RunComparison"}
        click.echo(json_text(kind | asdict(compared), indent=2))
    else:
        show_comparison(compared, out())


def _print_errors(reading: "RunIndex") -> None:
    from orchestrator.ui.console import err

    for error in reading.errors.values():
        err().print(f"not read: {error.brief}", style="yellow")
