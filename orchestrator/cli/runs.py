"""`sparkctl runs …`: the runs of the cluster, wherever they were started."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

import click

from orchestrator.cli.asking import ask_passphrase, ask_sudo_password, confirm
from orchestrator.cli.groups import Ordered
from orchestrator.cli.options import (
    detach_option,
    json_lines_option,
    json_option,
    skip_check_option,
    yes_option,
)
from orchestrator.cli.starting import start
from orchestrator.cli.watching import watch
from orchestrator.node.connect import reachable
from orchestrator.node.node import Node
from orchestrator.node.parallel import raise_all
from orchestrator.reconcile.observe import observe_machines
from orchestrator.runs import control
from orchestrator.runs.compare import compare as compare_runs
from orchestrator.runs.events import LogLine
from orchestrator.runs.fetch import fetch as fetch_run
from orchestrator.runs.logs import chosen, read_logs, since_when
from orchestrator.runs.reading import Reading, read_runs
from orchestrator.runs.resume import again
from orchestrator.runs.run import Run
from orchestrator.runs.summary import summary
from orchestrator.spec.cluster import ClusterSpec
from orchestrator.spec.load import load_cluster
from orchestrator.ui.console import err, out
from orchestrator.ui.logs_view import show_logs
from orchestrator.ui.plain import json_text
from orchestrator.ui.run_json import EndedLine, begun, end_of, print_line, told
from orchestrator.ui.runs_report import runs_report
from orchestrator.ui.runs_view import show_comparison, show_run, show_runs


@click.group(
    cls=Ordered,
    order=("list", "show", "follow", "logs", "stop", "resume", "fetch", "compare", "rm"),
)
def runs() -> None:
    """The runs of the cluster. RUN is a name, its beginning, or `last`."""


@runs.command("list")
@json_option
@click.pass_obj
def list_(file: Path, as_json: bool) -> None:
    """Every run that the nodes know of, the newest first."""
    spec = load_cluster(file).only_members()
    with _read(spec) as (_, reading):
        if as_json:
            click.echo(json_text(runs_report(reading, reading.runs), indent=2))
        else:
            _say_errors(reading)
            told = [summary(run) for run in reading.runs]
            show_runs(told, out(), reading.unreadable, complete=not reading.errors)
        _require_manager(spec, reading)


@runs.command()
@click.argument("run")
@json_option
@click.pass_obj
def show(file: Path, run: str, as_json: bool) -> None:
    """What RUN is, how it goes, and what became of each attempt."""
    spec = load_cluster(file).only_members()
    with _read(spec) as (nodes, reading):
        found = _closer(spec, nodes, reading, run)
        if as_json:
            click.echo(json_text(runs_report(reading, (found,)), indent=2))
        else:
            _say_errors(reading)
            show_run(found, summary(found), out())
        _require_manager(spec, reading)


@runs.command()
@click.argument("run")
@json_lines_option
@click.pass_obj
def follow(file: Path, run: str, as_json: bool) -> None:
    """Watch RUN to its end; Ctrl-C leaves, and the run goes on."""
    spec = load_cluster(file).only_members()
    with _read(spec, all_of_them=True) as (nodes, reading):
        found = reading.find(run)
        control.require_nodes(found, nodes)
        record = found.record
        if as_json:
            print_line(begun(record))
        watch(spec, record, nodes, as_json=as_json)


@runs.command()
@click.argument("run")
@json_option
@click.pass_obj
def stop(file: Path, run: str, as_json: bool) -> None:
    """Let RUN save after the step at hand, and end it; `resume` goes on from there."""
    spec = load_cluster(file).only_members()
    with _read(spec, all_of_them=True) as (nodes, reading):
        outcome = control.stop(spec, reading.find(run), nodes)
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
@click.pass_obj
def resume(
    file: Path, run: str, detach: bool, skip: tuple[str, ...], yes: bool, as_json: bool
) -> None:
    """Start RUN again, which was stopped or has failed: it goes on from its last checkpoint."""
    spec = load_cluster(file).only_members()
    with _read(spec, all_of_them=True) as (nodes, reading):
        found = reading.find(run)
        control.require_nodes(found, nodes)
        world = observe_machines(spec, nodes, ask=ask_sudo_password)

        def agree(lines: Sequence[str]) -> None:
            err().print(f"Besides training, and unlike the recipe here, {found.name} does this:")
            for line in lines:
                err().print(f"  {line}")
            confirm(f"Go on with {found.name}?", yes=yes)

        prepared = again(spec, found, world, agree)
        known = control.log_sizes(found, nodes)
        record = start(spec, prepared, nodes, skip)
        if as_json:
            print_line(begun(record))
        else:
            out().print(f"{found.name} goes on")
        if not detach:
            watch(spec, record, nodes, offsets=known, as_json=as_json)


@runs.command()
@click.argument("run")
@click.option("--force", is_flag=True, help="Stop it first if it runs.")
@yes_option
@json_option
@click.pass_obj
def rm(file: Path, run: str, force: bool, yes: bool, as_json: bool) -> None:
    """Delete RUN on all nodes: its checkpoints, its logs, and what it has trained."""
    spec = load_cluster(file).only_members()
    with _read(spec, all_of_them=True) as (nodes, reading):
        found = reading.find_any(run)
        size, where = sum(found.bytes.values()) / 1e6, len(found.bytes)
        confirm(f"Delete {found.name} ({found.state}, {size:,.1f} MB on {where} nodes)?", yes=yes)
        if force and found.live and isinstance(found, Run):
            control.stop(spec, found, nodes)
            found = read_runs(spec, nodes, only=found.name).find(found.name)
        control.delete(spec, found, nodes, force=force)
    if as_json:
        print_line({"run": found.name, "deleted": True})
    else:
        out().print(f"{found.name} is gone")


@runs.command()
@click.argument("run")
@click.option("--rank", type=int, multiple=True, help="Only this rank; repeatable.")
@click.option("--since", metavar="TIME", help="From then on: 2026-11-24T16:30, or 10m, 2h, 1d ago.")
@click.option("--events", is_flag=True, help="The events too, which the log has as JSON.")
@json_lines_option
@click.pass_obj
def logs(
    file: Path, run: str, rank: tuple[int, ...], since: str | None, events: bool, as_json: bool
) -> None:
    """What the ranks of RUN have written, merged by time; also when it has ended long ago."""
    spec = load_cluster(file).only_members()
    since_when(since)  # a time that is none is told before anything is read
    with _read(spec) as (nodes, reading):
        found = reading.find(run)
        begin = since_when(since, reading.clock)
        _say_errors(reading)
        places = [place for place in found.record.ranks if place.node in nodes]
        wanted = [place for place in places if not rank or place.rank in rank]
        lines = chosen(read_logs(wanted, nodes), begin=begin, events=events)
        if as_json:
            for at, rank_, text in lines:
                print_line(told(LogLine(rank_, text, at)))
        else:
            show_logs(lines, out())


@runs.command()
@click.argument("run")
@click.option("--to", type=click.Path(path_type=Path, file_okay=False), default=Path(),
              help="The folder that RUN's folder is made in; default: here.")  # fmt: skip
@json_option
@click.pass_obj
def fetch(file: Path, run: str, to: Path, as_json: bool) -> None:
    """Bring the adapter or model, metrics, logs and settings of RUN here, checked by SHA-256."""
    spec = load_cluster(file).only_members()
    with _read(spec, all_of_them=True) as (nodes, reading):
        found = reading.find(run)
        fetched = fetch_run(found, nodes, to, lambda line: err().print(line))
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
    """Two runs: the settings that differ, and what came of them."""
    spec = load_cluster(file).only_members()
    with _read(spec) as (nodes, reading):
        both = [_closer(spec, nodes, reading, name) for name in (one, other)]
    compared = compare_runs(both[0], both[1])
    if as_json:
        kind = {"apiVersion": "sparkctl/v1", "kind": "RunComparison"}
        click.echo(json_text(kind | asdict(compared), indent=2))
    else:
        show_comparison(compared, out())


@contextmanager
def _read(
    spec: ClusterSpec, *, all_of_them: bool = False
) -> Iterator[tuple[dict[str, Node], Reading]]:
    """Connected nodes and their runs; a node that is away is an error only for `all_of_them`."""
    with reachable(spec, ask_passphrase=ask_passphrase) as (nodes, errors):
        if all_of_them or not nodes:
            raise_all(errors)
        reading = read_runs(spec, nodes, errors)
        if all_of_them:
            raise_all(reading.errors)
        yield nodes, reading


def _closer(spec: ClusterSpec, nodes: dict[str, Node], reading: Reading, name: str) -> Run:
    """The run, read once more and in more detail."""
    found = reading.find(name).name
    return read_runs(spec, nodes, only=found).find(found)


def _require_manager(spec: ClusterSpec, reading: Reading) -> None:
    """What was shown is not all there is: without the manager nobody knows what runs."""
    if spec.manager.name in reading.errors:
        raise reading.errors[spec.manager.name]


def _say_errors(reading: Reading) -> None:
    for error in reading.errors.values():
        err().print(f"not read: {error.brief}", style="yellow")
