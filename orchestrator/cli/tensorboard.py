"""`sparkctl tensorboard [RUN]`."""

import threading
from typing import TYPE_CHECKING

import click

from orchestrator.cli import completing
from orchestrator.cli.asking import Terminal
from orchestrator.cli.cluster_file import pass_cluster
from orchestrator.cli.groups import Command

if TYPE_CHECKING:
    from orchestrator.api.files import ClusterSpec


@click.command(
    cls=Command,
    examples=("sparkctl tensorboard", "sparkctl tensorboard last --port 0"),
)
@click.argument("run", required=False, shell_complete=completing.runs)
@click.option("--port", default=6006, show_default=True, type=click.IntRange(0, 65535),
              help="Port on this computer; 0: any.")  # fmt: skip
@pass_cluster
def tensorboard(spec: "ClusterSpec", run: str | None, port: int) -> None:
    """Show the curves of RUN, or of all runs, in a browser here; Ctrl-C ends it."""
    from orchestrator.api.runs import Runs
    from orchestrator.ui.console import err, out

    only = run is not None

    def on_progress(line: str) -> None:
        err().print(f"  {line}")

    with Runs.open(spec, Terminal()) as runs:
        found = runs.read().find(run or "last")
        with runs.tensorboard(found, port, on_progress, only=only) as here:
            what = found.name if only else f"all runs on {found.record.ranks[0].node}"
            out().print(f"{what}: http://127.0.0.1:{here}/   (Ctrl-C ends it)")
            try:
                threading.Event().wait()
            except KeyboardInterrupt:
                out().print("ended")
