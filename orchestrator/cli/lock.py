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
from orchestrator.reconcile.lock import CHANGES, LAUNCH, break_locks, read_locks
from orchestrator.reconcile.observe import observe
from orchestrator.spec.cluster import ClusterSpec
from orchestrator.spec.load import load_cluster
from orchestrator.ui.console import out


@click.group(cls=Ordered, order=("show", "break"))
def lock() -> None:
    """The locks that keep two laptops apart while one changes the machines or starts a run."""


@lock.command()
@click.pass_obj
def show(file: Path) -> None:
    """Say who holds the lock of each machine, and who holds off the starting of runs."""
    with _connected(file) as (_, nodes, launch):
        for name, held in read_locks(nodes, CHANGES).items():
            out().print(f"{name:<10} {held or 'free'}")
        for name, held in read_locks(launch, LAUNCH).items():
            if held is not None:
                out().print(f"{name:<10} starting of runs: {held}")


@lock.command("break")
@yes_option
@click.pass_obj
def break_(file: Path, yes: bool) -> None:
    """Take the locks away, whoever holds them."""
    with _connected(file) as (spec, nodes, launch):
        broken = 0
        for place, where in ((CHANGES, nodes), (LAUNCH, launch)):
            locks = read_locks(where, place)
            held = [name for name, holder in locks.items() if holder is not None]
            for name in held:
                out().print(f"{name:<10} {locks[name]}")
            if held:
                confirm(f"Break the locks of {', '.join(held)} of cluster {spec.name!r}?", yes=yes)
                break_locks({name: where[name] for name in held}, place)
                broken += len(held)
        out().print(f"{broken} broken")


@contextmanager
def _connected(file: Path) -> Iterator[tuple[ClusterSpec, dict[str, Node], dict[str, Node]]]:
    """All machines, and that one where runs are started."""
    spec = load_cluster(file)
    with connected(spec, ask_passphrase=ask_passphrase) as nodes:
        observe(spec, nodes, ask=ask_sudo_password)  # the way to root that everybody takes
        manager = spec.manager.name
        yield spec, nodes, {manager: nodes[manager]}
