"""`sparkctl runs exec`: a command, or a shell, in the container of a rank."""

from typing import TYPE_CHECKING

import click

from orchestrator.cli import completing
from orchestrator.cli.asking import Terminal
from orchestrator.cli.cluster_file import pass_cluster
from orchestrator.cli.groups import Command
from orchestrator.cli.options import run_argument

if TYPE_CHECKING:
    from orchestrator.api.files import ClusterSpec


@click.command(
    "exec",
    cls=Command,
    examples=("sparkctl runs exec last", "sparkctl runs exec last --rank 1 -- nvidia-smi -L"),
)
@run_argument
@click.argument("command", nargs=-1, type=click.UNPROCESSED, metavar="[-- COMMAND…]")
@click.option("--rank", type=click.IntRange(min=0), shell_complete=completing.ranks,
              help="Whose container; default: rank 0.")  # fmt: skip
@pass_cluster
@click.pass_context
def exec_(
    context: click.Context,
    spec: "ClusterSpec",
    run: str,
    command: tuple[str, ...],
    rank: int | None,
) -> None:
    """Run COMMAND in the container of a rank of RUN, or a shell; its exit code is the command's.

    In a terminal it gets one, too. Write -- before a command that has options.
    """
    from orchestrator.api.runs import Runs
    from orchestrator.ui.console import err
    from orchestrator.ui.terminal import streams

    with Runs.open(spec, Terminal(), away="keep") as known:
        found = known.read().find(run)
        if rank is None and len(found.record.ranks) > 1:
            err().print(f"rank 0 on {found.record.ranks[0].node}; another one: --rank N")
        with streams() as here:
            code = known.exec(found, rank or 0, command, here)
    context.exit(code)
