"""`sparkctl cluster lock show | break`."""

from typing import TYPE_CHECKING

import click

from orchestrator.cli.asking import Terminal
from orchestrator.cli.cluster_file import file_option, pass_cluster
from orchestrator.cli.groups import Ordered
from orchestrator.cli.options import yes_option

if TYPE_CHECKING:
    from orchestrator.api.files import ClusterSpec


@click.group(
    cls=Ordered,
    order=("show", "break"),
    examples=("sparkctl cluster lock show", "sparkctl cluster lock break"),
)
@file_option
def lock() -> None:
    """Locks that keep two computers from changing the machines or starting a run at once."""


@lock.command(examples=("sparkctl cluster lock show",))
@pass_cluster
def show(spec: "ClusterSpec") -> None:
    """Show who holds the lock of each machine, and who blocks the start of runs."""
    from orchestrator.api.cluster import Cluster
    from orchestrator.api.locks import CHANGES, LAUNCH
    from orchestrator.ui.console import out

    with Cluster.open(spec, Terminal()) as machines:
        locks = machines.locks
        for name, held in locks.read(CHANGES).items():
            out().print(f"{name:<10} {held or 'free'}")
        for name, held in locks.read(LAUNCH).items():
            if held is not None:
                out().print(f"{name:<10} starting of runs: {held}")


@lock.command("break", examples=("sparkctl cluster lock break", "sparkctl cluster lock break -y"))
@yes_option
@pass_cluster
def break_(spec: "ClusterSpec", yes: bool) -> None:
    """Remove the locks, whoever holds them."""
    from orchestrator.api.cluster import Cluster
    from orchestrator.api.locks import CHANGES, LAUNCH
    from orchestrator.ui.console import out

    with Cluster.open(spec, Terminal(yes)) as machines:
        locks, broken = machines.locks, 0
        for place in (CHANGES, LAUNCH):
            held = {name: one for name, one in locks.read(place).items() if one is not None}
            for name, one in held.items():
                out().print(f"{name:<10} {one}")
            if held:
                locks.take_away(place, held)
                broken += len(held)
        out().print(f"{broken} broken")
