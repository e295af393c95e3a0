"""`sparkctl runs …`: the runs of the cluster, wherever they were started."""

from dataclasses import asdict
from pathlib import Path

import click

from orchestrator.api.runs import LogLine, RunIndex, Runs, Wanted, since_when, summary
from orchestrator.api.runs import compare as compare_runs
from orchestrator.cli.asking import Terminal
from orchestrator.cli.groups import Ordered
from orchestrator.cli.options import (
    debug_option,
    detach_option,
    json_lines_option,
    json_option,
    skip_check_option,
    yes_option,
)
from orchestrator.cli.progress import follow_lines, show_start, watch
from orchestrator.cli.run_exec import exec_
from orchestrator.ui.console import err, out
from orchestrator.ui.logs_view import show_logs
from orchestrator.ui.plain import json_text
from orchestrator.ui.run_json import EndedLine, end_of, event_line, print_line, run_started
from orchestrator.ui.runs_report import runs_report
from orchestrator.ui.runs_view import show_comparison, show_run, show_runs


@click.group(
    cls=Ordered,
    order=("list", "show", "follow", "logs", "exec", "stop", "resume", "fetch", "compare", "rm"),
)
def runs() -> None:
    """The runs of the cluster. RUN is a name, its beginning, or `last`."""


runs.add_command(exec_)


@runs.command("list")
@json_option
@click.pass_obj
def list_(file: Path, as_json: bool) -> None:
    """List every run that the nodes know of, newest first."""
    with Runs.open(file, Terminal(), away="keep") as known:
        reading = known.read()
        if as_json:
            click.echo(json_text(runs_report(reading, reading.runs), indent=2))
        else:
            _print_errors(reading)
            rows = [summary(run) for run in reading.runs]
            show_runs(rows, out(), reading.unreadable, complete=not reading.errors)
        known.require_manager(reading)


@runs.command()
@click.argument("run")
@json_option
@click.pass_obj
def show(file: Path, run: str, as_json: bool) -> None:
    """Show RUN: its settings, its progress, and how each attempt ended."""
    with Runs.open(file, Terminal(), away="keep") as known:
        reading = known.read()
        found = known.detailed(reading.find(run))
        if as_json:
            click.echo(json_text(runs_report(reading, (found,)), indent=2))
        else:
            _print_errors(reading)
            show_run(found, summary(found), out())
        known.require_manager(reading)


@runs.command()
@click.argument("run")
@json_lines_option
@click.pass_obj
def follow(file: Path, run: str, as_json: bool) -> None:
    """Follow RUN to its end. Ctrl-C stops following; the run continues."""
    with Runs.open(file, Terminal()) as known:
        running = known.running(known.find(run))
        if as_json:
            print_line(run_started(running.record))
        watch(known, running, as_json=as_json)


@runs.command()
@click.argument("run")
@json_option
@click.pass_obj
def stop(file: Path, run: str, as_json: bool) -> None:
    """Save a checkpoint after the current step, then end RUN; `resume` continues from there."""
    with Runs.open(file, Terminal()) as known:
        outcome = known.stop(known.find(run))
    if as_json:
        print_line(EndedLine(**end_of(outcome)).model_dump(mode="json", exclude={"kind"}))
        return
    out().print(f"{outcome.run}: {outcome.brief}")
    for line in (outcome.resolution or "").splitlines():
        out().print(line)


@runs.command()
@click.argument("run")
@detach_option
@skip_check_option
@yes_option
@json_lines_option
@debug_option
@click.pass_obj
def resume(
    file: Path,
    run: str,
    detach: bool,
    skip: tuple[str, ...],
    yes: bool,
    as_json: bool,
    debug: bool,
) -> None:
    """Resume RUN, which was stopped or has failed, from its last checkpoint."""
    with Runs.open(file, Terminal(yes)) as known:
        found = known.find(run)
        running = known.start(known.prepare_resume(found, debug=debug), show_start, skip=skip)
        if as_json:
            print_line(run_started(running.record))
        else:
            out().print(f"{found.name} resumed")
        if not detach:
            watch(known, running, as_json=as_json)


@runs.command()
@click.argument("run")
@click.option("--force", is_flag=True, help="Stop it first if it runs.")
@yes_option
@json_option
@click.pass_obj
def rm(file: Path, run: str, force: bool, yes: bool, as_json: bool) -> None:
    """Delete RUN on all nodes: its checkpoints, its logs, and what it has trained."""
    with Runs.open(file, Terminal(yes)) as known:
        found = known.read(whole=True).find_any(run)
        known.delete(found, force=force)
    if as_json:
        print_line({"run": found.name, "deleted": True})
    else:
        out().print(f"{found.name} is deleted")


@runs.command()
@click.argument("run")
@click.option("--rank", type=int, multiple=True, help="Only this rank; repeatable.")
@click.option(
    "--since", metavar="TIME", help="Only lines since then: 2026-11-24T16:30, or 10m, 2h, 1d ago."
)
@click.option("--events", is_flag=True, help="Also show events, which the log has as JSON.")
@click.option("--tail", type=click.IntRange(min=0), metavar="N", help="Only the last N lines.")
@click.option("-f", "--follow", is_flag=True, help="Go on with what is written, until RUN ends.")
@json_lines_option
@click.pass_obj
def logs(
    file: Path,
    run: str,
    rank: tuple[int, ...],
    since: str | None,
    events: bool,
    tail: int | None,
    follow: bool,
    as_json: bool,
) -> None:
    """Show what the ranks of RUN wrote, merged by time; also long after it has ended."""
    since_when(since)  # reject a bad time before anything is read
    with Runs.open(file, Terminal(), away="keep") as known:
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


@runs.command()
@click.argument("run")
@click.option("--to", type=click.Path(path_type=Path, file_okay=False), default=Path(),
              help="The folder that RUN's folder is made in; default: here.")  # fmt: skip
@json_option
@click.pass_obj
def fetch(file: Path, run: str, to: Path, as_json: bool) -> None:
    """Copy the adapter or model, metrics, logs and settings of RUN here, checked by SHA-256."""
    with Runs.open(file, Terminal()) as known:
        found = known.find(run)
        fetched = known.fetch(found, to, lambda line: err().print(line))
    if as_json:
        print_line({"run": found.name} | asdict(fetched))
        return
    size = f"{fetched.bytes / 1e6:,.1f} MB"
    out().print(f"{fetched.folder}: {fetched.files} files, {size}")


@runs.command()
@click.argument("one")
@click.argument("other")
@json_option
@click.pass_obj
def compare(file: Path, one: str, other: str, as_json: bool) -> None:
    """Compare two runs: the settings that differ, and their results."""
    with Runs.open(file, Terminal(), away="keep") as known:
        reading = known.read()
        both = [known.detailed(reading.find(name)) for name in (one, other)]
    compared = compare_runs(both[0], both[1])
    if as_json:
        kind = {"apiVersion": "sparkctl/v1", "kind": "RunComparison"}
        click.echo(json_text(kind | asdict(compared), indent=2))
    else:
        show_comparison(compared, out())


def _print_errors(reading: RunIndex) -> None:
    for error in reading.errors.values():
        err().print(f"not read: {error.brief}", style="yellow")
