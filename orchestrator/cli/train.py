"""`sparkctl train <stack>`."""

from functools import partial
from pathlib import Path

import click

from orchestrator.api.files import (
    ClusterSpec,
    StackSpec,
    load_cluster,
    load_recipe,
    require_trust,
    stack_names,
    with_debug,
)
from orchestrator.api.preview import preview
from orchestrator.api.runs import Runs
from orchestrator.cli.asking import Terminal
from orchestrator.cli.options import (
    debug_option,
    detach_option,
    json_lines_option,
    skip_check_option,
)
from orchestrator.cli.progress import how_to_come_back, show_start, watch
from orchestrator.ui.console import err, out
from orchestrator.ui.plain import one_line, visible
from orchestrator.ui.run_json import print_line, run_started


@click.command(epilog=f"Stacks: {', '.join(stack_names())}. A file of your own: ./my-stack.yaml")
@click.argument("stack")
@click.option("--set", "settings", metavar="KEY=VALUE", multiple=True,
              help="Override a key of the stack, e.g. training.optim.lr=2e-4.")  # fmt: skip
@click.option("--name", help="The run's own name; default: the stack's and six digits.")
@click.option("--dry-run", is_flag=True, help="Print exactly what would be deployed.")
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
@click.pass_obj
def train(
    file: Path,
    stack: str,
    settings: tuple[str, ...],
    name: str | None,
    dry_run: bool,
    detach: bool,
    queue: bool,
    trust: bool,
    skip: tuple[str, ...],
    as_json: bool,
    debug: bool,
) -> None:
    """Train STACK on the cluster, one rank on each machine, and watch it to its end."""
    cluster_spec = load_cluster(file).only_members()
    recipe = load_recipe(stack, settings)
    stack_spec = with_debug(recipe.stack) if debug else recipe.stack
    if dry_run:
        _print_dry_run(cluster_spec, stack_spec, name)
    else:
        require_trust(recipe, stack, Terminal(trust=trust))
        _train(cluster_spec, stack_spec, name, detach, queue, skip, as_json)


def _train(
    spec: ClusterSpec,
    stack: StackSpec,
    name: str | None,
    detach: bool,
    queue: bool,
    skip: tuple[str, ...],
    as_json: bool,
) -> None:
    console = err() if as_json else out()
    with Runs.open(spec, Terminal()) as runs:
        prepared = runs.prepare(stack, name=name)
        run = prepared.rendered.run
        console.print(f"run {run}: {stack.description}")
        for rank in prepared.ranks:
            where = f"{rank.node}  {rank.interface} {rank.address}"
            console.print(f"  rank {rank.rank}  {where}")
        for line in prepared.forecast.lines if prepared.forecast else ():
            console.print(line, soft_wrap=True)
        console.print(f"image {prepared.image.tag} on {prepared.image.base}")
        listen = partial(show_start, as_json=as_json)
        running = runs.start(prepared, listen, skip=skip, queue=queue)
        if as_json:
            print_line(run_started(running.record))
        if detach:
            console.print(f"deployed; the run continues by itself. {how_to_come_back(run)}")
        else:
            watch(runs, running, as_json=as_json)


def _print_dry_run(spec: ClusterSpec, stack: StackSpec, name: str | None) -> None:
    shown = preview(spec, stack, Terminal(), name=name)
    for error in shown.unreached:
        err().print(f"note: {error.brief}; what only it knows is shown as <…>")
    prepared, rendered = shown.prepared, shown.prepared.rendered
    for line in shown.powers:
        click.echo(f"# {one_line(line)}")
    for name, source in shown.secrets.items():
        click.echo(f"# secret {name}: {one_line(source)}")
    click.echo(f"# docker stack deploy --resolve-image never -c - {rendered.run}")
    for line in prepared.forecast.lines if prepared.forecast else ():
        click.echo(f"# {one_line(line)}")
    base = one_line(prepared.image.base)
    click.echo(f"# image {rendered.image}: built on every node from {base}")
    click.echo(visible(rendered.compose))
    for config in rendered.configs:
        click.echo(visible(f"---\n# config {config.name}\n{config.content}"))
