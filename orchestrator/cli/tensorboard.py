"""`sparkctl tensorboard [RUN]`."""

import threading
from pathlib import Path

import click

from orchestrator.artifacts.image import ensure_image, image_recipe
from orchestrator.cli.asking import ask_passphrase
from orchestrator.errors import RunError
from orchestrator.node.connect import connected
from orchestrator.node.docker_trouble import docker_trouble
from orchestrator.runs.reading import read_runs
from orchestrator.runs.tensorboard import tensorboard as served
from orchestrator.spec.load import load_cluster
from orchestrator.ui.console import err, out


@click.command()
@click.argument("run", required=False)
@click.option("--port", default=6006, show_default=True, type=click.IntRange(0, 65535),
              help="Port on this computer; 0: any.")  # fmt: skip
@click.pass_obj
def tensorboard(file: Path, run: str | None, port: int) -> None:
    """Show the curves of RUN, or of all runs, in a browser here; Ctrl-C ends it."""
    spec = load_cluster(file).only_members()
    with connected(spec, ask_passphrase=ask_passphrase) as nodes:
        found = read_runs(spec, nodes).find(run or "last")
        place = found.record.ranks[0]
        if place.node not in nodes:
            raise RunError(f"{place.node}, which has the curves, is not in the cluster file")
        node = nodes[place.node]
        recipe = image_recipe(spec.container.base_image)
        with docker_trouble(node.name):
            ensure_image(node, recipe, lambda line: err().print(f"  {line}"))
        with served(node, recipe.tag, place, only=run is not None, port=port) as here:
            what = found.name if run else f"all runs on {node.name}"
            out().print(f"{what}: http://127.0.0.1:{here}/   (Ctrl-C ends it)")
            try:
                threading.Event().wait()
            except KeyboardInterrupt:
                out().print("ended")
