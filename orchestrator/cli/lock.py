"""`sparkctl cluster lock show | break`."""

from pathlib import Path

import click

from orchestrator.api.cluster import Cluster
from orchestrator.api.locks import CHANGES, LAUNCH
from orchestrator.cli.asking import Terminal
from orchestrator.cli.groups import Ordered
from orchestrator.cli.options import yes_option
from orchestrator.ui.console import out


@click.group(cls=Ordered, order=("show", "break"))
def lock() -> None:
    """Locks that keep two computers from changing the machines or starting a run at once."""


@lock.command()
@click.pass_obj
def show(file: Path) -> None:
    """Show who holds the lock of each machine, and who blocks the start of runs."""
    with Cluster.open(file, Terminal()) as machines:
        locks = machines.locks
        for name, held in locks.read(CHANGES).items():
            out().print(f"{name:<10} {held or 'free'}")
        for name, held in locks.read(LAUNCH).items():
            if held is not None:
                out().print(f"{name:<10} starting of runs: {held}")


@lock.command("break")
@yes_option
@click.pass_obj
def break_(file: Path, yes: bool) -> None:
    """Remove the locks, whoever holds them."""
    with Cluster.open(file, Terminal(yes)) as machines:
        locks, broken = machines.locks, 0
        for place in (CHANGES, LAUNCH):
            held = {name: one for name, one in locks.read(place).items() if one is not None}
            for name, one in held.items():
                out().print(f"{name:<10} {one}")
            if held:
                locks.take_away(place, held)
                broken += len(held)
        out().print(f"{broken} broken")
