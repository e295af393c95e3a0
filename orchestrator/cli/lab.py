"""`sparkctl lab`: simulated DGX Sparks on this computer."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from orchestrator.cli.groups import Ordered
from orchestrator.ui.plain import json_text

if TYPE_CHECKING:  # help needs no Docker SDK
    from rich.table import Table

    from orchestrator.lab import NodeStatus

NAME = click.option("--name", default="lab", show_default=True, help="Name of the lab.")
OUT = click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    default=Path("cluster.yaml"),
    show_default=True,
    help="The cluster file; keys go to .lab/ beside it.",
)


@click.group(
    cls=Ordered,
    order=("up", "status", "down"),
    examples=("sparkctl lab up", "sparkctl cluster up", "sparkctl lab down"),
)
def lab() -> None:
    """Simulated DGX Sparks on this computer: real SSH, sudo, Docker and swarm, no GPU."""


@lab.command(
    "up",
    examples=("sparkctl lab up", "sparkctl lab up --nodes 4 --name four --out four.yaml"),
)
@click.option("--nodes", type=click.IntRange(1, 26), default=2, show_default=True)
@click.option(
    "--engine",
    help="Debian release of the nodes: forky (default) has Docker Engine 28.5, trixie 26.1, "
    "bookworm 20.10; trixie,bookworm is one for each node.",
)
@click.option(
    "--train-image/--no-train-image",
    default=True,
    show_default=True,
    help="Give every node the image that training needs.",
)
@NAME
@OUT
def up_command(nodes: int, engine: str | None, train_image: bool, name: str, out: Path) -> None:
    """Start a lab, or repair it, and write its cluster file."""
    from orchestrator.lab import LabSpec, status, up
    from orchestrator.ui.console import err

    suite = engine or LabSpec.suite
    spec = LabSpec(name=name, nodes=nodes, suite=suite, out=out, train_image=train_image)
    up(spec, progress=_step)
    err().print(_table(status(name)))
    click.echo(f"{click.format_filename(out)} is written. Next: sparkctl cluster up")


@lab.command("down", examples=("sparkctl lab down", "sparkctl lab down --name four --images"))
@click.option("--images", is_flag=True, help="Remove the images that all labs share, too.")
@NAME
@OUT
def down_command(images: bool, name: str, out: Path) -> None:
    """Remove a lab: nodes, networks, volumes, keys and the cluster file."""
    from orchestrator.lab import down

    count = down(name, out=out, shared=images)
    click.echo(f"lab {name}: {count} node{'' if count == 1 else 's'} removed")


@lab.command("status", examples=("sparkctl lab status", "sparkctl lab status --name four --json"))
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("--name", default=None, help="Name of the lab; default: all labs.")
def status_command(as_json: bool, name: str | None) -> None:
    """Show the nodes."""
    from orchestrator.lab import status
    from orchestrator.ui.console import out

    nodes = status(name)
    if as_json:
        click.echo(json_text([asdict(node) for node in nodes], indent=2))
    elif nodes:
        out().print(_table(nodes))
    else:
        click.echo("no lab runs here; start one with: sparkctl lab up")


def _table(nodes: "list[NodeStatus]") -> "Table":
    from rich.table import Table

    table = Table("lab", "node", "state", "engine", "ssh", "fabric", box=None)
    for node in nodes:
        ssh = f"127.0.0.1:{node.ssh_port}" if node.ssh_port else "-"
        table.add_row(node.lab, node.node, node.state, node.engine or "-", ssh, node.fabric or "-")
    return table


@contextmanager
def _step(name: str) -> Iterator[None]:
    """One line per step, with the seconds it took."""
    click.echo(f"{name} … ", nl=False, err=True)
    start = time.monotonic()
    try:
        yield
    except BaseException:
        click.echo("failed", err=True)
        raise
    click.echo(f"{time.monotonic() - start:.1f} s", err=True)
