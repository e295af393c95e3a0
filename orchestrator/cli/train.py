"""`sparkctl train <stack>`."""

from functools import partial
from typing import TYPE_CHECKING

import click

from orchestrator.cli import completing
from orchestrator.cli.asking import Terminal
from orchestrator.cli.cluster_file import pass_cluster
from orchestrator.cli.groups import Command
from orchestrator.cli.options import (
    debug_option,
    detach_option,
    json_lines_option,
    skip_check_option,
)

if TYPE_CHECKING:  # imported when the files have been read: help and their faults need none of it
    from orchestrator.api.files import ClusterSpec, StackSpec


def _stacks() -> str:
    from orchestrator.api.names import stack_names

    return f"Stacks: {', '.join(stack_names())}. A file of your own: ./my-stack.yaml"


@click.command(
    cls=Command,
    examples=(
        "sparkctl train llama3-8b-lora --dry-run",
        "sparkctl train llama3-8b-lora --set training.optim.lr=2e-4 --detach",
        "sparkctl train ./my-stack.yaml --queue",
    ),
    more=_stacks,
)
@click.argument("stack", shell_complete=completing.stacks)
@click.option("--set", "settings", metavar="KEY=VALUE", multiple=True,
              shell_complete=completing.settings,
              help="Override a key of the stack, e.g. training.optim.lr=2e-4.")  # fmt: skip
@click.option("--name", help="The run's own name; default: the stack's and six digits.")
@click.option("--dry-run", is_flag=True, help="Show whether it fits, and what it takes.")
@click.option("--render", is_flag=True, help="Print exactly what would be deployed; a dry run.")
@detach_option
@click.option("--queue", is_flag=True, help="Wait while another run holds the GPUs.")
@click.option(
    "--trust-recipe",
    "trust",
    is_flag=True,
    help="Do not ask what a recipe from elsewhere may do: files, hooks, …",
)
@skip_check_option
@json_lines_option
@debug_option
@pass_cluster
def train(
    spec: "ClusterSpec",
    stack: str,
    settings: tuple[str, ...],
    name: str | None,
    dry_run: bool,
    render: bool,
    detach: bool,
    queue: bool,
    trust: bool,
    skip: tuple[str, ...],
    as_json: bool,
    debug: bool,
) -> None:
    """Train STACK on the cluster, one rank on each machine, and watch it to its end."""
    from orchestrator.api.files import load_recipe, require_trust, with_debug

    cluster_spec = spec.only_members()
    recipe = load_recipe(stack, settings)
    stack_spec = with_debug(recipe.stack) if debug else recipe.stack
    if dry_run or render:
        _print_dry_run(cluster_spec, stack_spec, name, render, as_json)
    else:
        require_trust(recipe, stack, Terminal(trust=trust))
        _train(cluster_spec, stack_spec, name, detach, queue, skip, as_json)


def _train(
    spec: "ClusterSpec",
    stack: "StackSpec",
    name: str | None,
    detach: bool,
    queue: bool,
    skip: tuple[str, ...],
    as_json: bool,
) -> None:
    from orchestrator.api.runs import Runs
    from orchestrator.cli.progress import how_to_come_back, show_start, watch
    from orchestrator.ui.console import err, out
    from orchestrator.ui.plain import one_line
    from orchestrator.ui.run_json import print_line, run_started

    console = err() if as_json else out()
    with Runs.open(spec, Terminal()) as runs:
        prepared = runs.prepare(stack, name=name)
        run = prepared.rendered.run
        console.print(f"run {run}: {stack.description}")
        for rank in prepared.ranks:
            where = f"{rank.node}  {rank.interface} {rank.address}"
            console.print(f"  rank {rank.rank}  {where}")
        for line in prepared.notes:
            console.print(one_line(line), soft_wrap=True)
        console.print(f"image {prepared.image.tag} on {prepared.image.base}")
        listen = partial(show_start, as_json=as_json)
        running = runs.start(prepared, listen, skip=skip, queue=queue)
        completing.remember_runs([run], more=True)
        if as_json:
            print_line(run_started(running.record))
        if detach:
            console.print(f"deployed; the run continues by itself. {how_to_come_back(run)}")
        else:
            watch(runs, running, as_json=as_json)


def _print_dry_run(
    spec: "ClusterSpec", stack: "StackSpec", name: str | None, render: bool, as_json: bool
) -> None:
    from orchestrator.api.preview import preview
    from orchestrator.errors import DoesNotFitError
    from orchestrator.ui.console import err, out
    from orchestrator.ui.dry_run_view import rendered_text, show_dry_run
    from orchestrator.ui.plain import json_text

    found = preview(spec, stack, Terminal(), name=name)
    for error in found.unread:
        err().print(f"note: {error['brief']}; what only it knows is shown as <…>")
    if as_json:
        click.echo(json_text(found, indent=2))
    elif render:
        click.echo(rendered_text(found))
    else:
        show_dry_run(found, out())
    if found.verdict.answer == "does not fit":
        click.get_current_context().exit(DoesNotFitError.exit_code)
