"""`sparkctl cluster lock show | break`."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from orchestrator.cli.asking import ask_passphrase, ask_sudo_password, confirm
from orchestrator.cli.groups import Ordered
from orchestrator.cli.options import yes_option
from orchestrator.node.connect import connected
from orchestrator.node.node import Node
from orchestrator.reconcile.lock import CHANGES, Held, break_locks, read_locks
from orchestrator.reconcile.observe import observe
from orchestrator.spec.cluster import ClusterSpec
from orchestrator.spec.load import load_cluster
from orchestrator.ui.console import out

Locks = dict[str, Held | None]


@click.group(cls=Ordered, order=("show", "break"))
def lock() -> None:
    """The lock that keeps two laptops apart while one of them changes the machines."""


@lock.command()
@click.pass_obj
def show(file: Path) -> None:
    """Say who holds the lock of each machine."""
    with _locks(file) as (_, _, locks):
        for name, held in locks.items():
            out().print(f"{name:<10} {held or 'free'}")


@lock.command("break")
@yes_option
@click.pass_obj
def break_(file: Path, yes: bool) -> None:
    """Take the locks away, whoever holds them."""
    with _locks(file) as (spec, nodes, locks):
        held = [name for name, holder in locks.items() if holder is not None]
        for name in held:
            out().print(f"{name:<10} {locks[name]}")
        if held:
            confirm(f"Break the locks of {', '.join(held)} of cluster {spec.name!r}?", yes=yes)
            break_locks({name: nodes[name] for name in held}, CHANGES)
        out().print(f"{len(held)} broken")


@contextmanager
def _locks(file: Path) -> Iterator[tuple[ClusterSpec, dict[str, Node], Locks]]:
    spec = load_cluster(file)
    with connected(spec, ask_passphrase=ask_passphrase) as nodes:
        observe(spec, nodes, ask=ask_sudo_password)  # the way to root that everybody takes
        yield spec, nodes, read_locks(nodes, CHANGES)
