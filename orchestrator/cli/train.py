"""`sparkctl train <stack>`."""

from functools import partial
from pathlib import Path

import click

from orchestrator.cli.asking import ask_passphrase, ask_sudo_password
from orchestrator.cli.options import detach_option, json_lines_option, skip_check_option
from orchestrator.cli.starting import start
from orchestrator.cli.trusting import trust_option, trusted
from orchestrator.cli.watching import how_to_come_back, watch
from orchestrator.errors import ConnectError, NodeErrors, SparkctlError
from orchestrator.facts.machine import Machine
from orchestrator.node.connect import connected
from orchestrator.reconcile.observe import observe_machines
from orchestrator.runs.launch import Prepared, prepare
from orchestrator.runs.queue import in_turn
from orchestrator.spec.cluster import ClusterSpec
from orchestrator.spec.load import load_cluster, load_recipe, stack_names
from orchestrator.spec.stack import StackSpec
from orchestrator.stack.environment import DEBUG
from orchestrator.stack.powers import powers_of
from orchestrator.stack.secret import secret_sources
from orchestrator.ui.console import err, out
from orchestrator.ui.plain import one_line, visible
from orchestrator.ui.run_json import begun, print_line


@click.command(epilog=f"Stacks: {', '.join(stack_names())}. A file of your own: ./my-stack.yaml")
@click.argument("stack")
@click.option("--set", "settings", metavar="KEY=VALUE", multiple=True,
              help="Override a key of the stack, e.g. training.optim.lr=2e-4.")  # fmt: skip
@click.option("--dry-run", is_flag=True, help="Print exactly what would be deployed.")
@detach_option
@click.option("--queue", is_flag=True, help="Wait while another run holds the GPUs.")
@trust_option
@skip_check_option
@json_lines_option
@click.option("--debug", is_flag=True, help="Let torch, NCCL and accelerate tell more.")
@click.pass_obj
def train(
    file: Path,
    stack: str,
    settings: tuple[str, ...],
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
    stack_spec = recipe.stack
    if debug:
        stack_spec = stack_spec.model_copy(update={"env": DEBUG | stack_spec.env})
    if dry_run:
        _print_dry_run(cluster_spec, stack_spec)
    else:
        trusted(recipe, stack, trust=trust)
        _train(cluster_spec, stack_spec, detach, queue, skip, as_json)


def _train(
    spec: ClusterSpec,
    stack: StackSpec,
    detach: bool,
    queue: bool,
    skip: tuple[str, ...],
    as_json: bool,
) -> None:
    console = err() if as_json else out()
    with connected(spec, ask_passphrase=ask_passphrase) as nodes:
        world = observe_machines(spec, nodes, ask=ask_sudo_password)
        prepared = prepare(spec, stack, world)
        run = prepared.rendered.run
        console.print(f"run {run}: {stack.description}")
        for rank in prepared.ranks:
            where = f"{rank.node}  {rank.interface} {rank.address}"
            console.print(f"  rank {rank.rank}  {where}")
        for line in prepared.forecast.lines if prepared.forecast else ():
            console.print(line, soft_wrap=True)
        console.print(f"image {prepared.image.tag} on {prepared.image.base}")
        begin = partial(start, spec, prepared, nodes, skip)
        record = in_turn(spec, nodes, console.print, begin) if queue else begin()
        if as_json:
            print_line(begun(record))
        if detach:
            console.print(f"deployed; it goes on by itself. {how_to_come_back(run)}")
        else:
            watch(spec, record, nodes, as_json=as_json)


def _print_dry_run(spec: ClusterSpec, stack: StackSpec) -> None:
    prepared = _prepared_for_show(spec, stack)
    rendered = prepared.rendered
    for power in powers_of(stack):
        if power.key[0] != "secrets":
            click.echo(f"# {one_line(power.line)}")
    for name, source in secret_sources(stack).items():
        click.echo(f"# secret {name}: {one_line(source)}")
    click.echo(f"# docker stack deploy --resolve-image never -c - {rendered.run}")
    for line in prepared.forecast.lines if prepared.forecast else ():
        click.echo(f"# {one_line(line)}")
    base = one_line(prepared.image.base)
    click.echo(f"# image {rendered.image}: built on every node from {base}")
    click.echo(visible(rendered.compose))
    for config in rendered.configs:
        click.echo(visible(f"---\n# config {config.name}\n{config.content}"))


def _prepared_for_show(spec: ClusterSpec, stack: StackSpec) -> Prepared:
    """With the machines when they can be reached, else with what the files alone say."""
    world: dict[str, Machine] | None = None
    try:
        with connected(spec, ask_passphrase=ask_passphrase) as nodes:
            world = observe_machines(spec, nodes, ask=ask_sudo_password)
        return prepare(spec, stack, world)
    except SparkctlError as error:
        errors = error.errors if isinstance(error, NodeErrors) else (error,)
        if not all(isinstance(one, ConnectError) for one in errors):
            raise
        for one in errors:
            err().print(f"note: {one.brief}; what only it can tell is shown as <…>")
        return prepare(spec, stack, None)
