"""`sparkctl tensorboard [RUN]`."""

import threading
from pathlib import Path

import click

from orchestrator.api.runs import Runs
from orchestrator.cli.asking import Terminal
from orchestrator.ui.console import err, out


@click.command()
@click.argument("run", required=False)
@click.option("--port", default=6006, show_default=True, type=click.IntRange(0, 65535),
              help="Port on this computer; 0: any.")  # fmt: skip
@click.pass_obj
def tensorboard(file: Path, run: str | None, port: int) -> None:
    """Show the curves of RUN, or of all runs, in a browser here; Ctrl-C ends it."""
    only = run is not None

    def on_progress(line: str) -> None:
        err().print(f"  {line}")

    with Runs.open(file, Terminal()) as runs:
        found = runs.read().find(run or "last")
        with runs.tensorboard(found, port, on_progress, only=only) as here:
            what = found.name if only else f"all runs on {found.record.ranks[0].node}"
            out().print(f"{what}: http://127.0.0.1:{here}/   (Ctrl-C ends it)")
            try:
                threading.Event().wait()
            except KeyboardInterrupt:
                out().print("ended")
