"""From a stack and a cluster to a gang of ranks that runs."""

import os
import secrets as random
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from orchestrator.artifacts.image import ImageRecipe, ensure_image, image_recipe
from orchestrator.errors import BusyError
from orchestrator.node.docker_trouble import docker_trouble
from orchestrator.node.facts import Machine
from orchestrator.node.node import Node
from orchestrator.node.parallel import on_each
from orchestrator.runs.forecast import Forecast, forecast
from orchestrator.runs.record import files_of, record_of
from orchestrator.spec.cluster import ClusterSpec
from orchestrator.spec.stack import StackSpec
from orchestrator.stack.deploy import deploy, make_way, remove, write_run_folder
from orchestrator.stack.ranks import Rank, ranks_for, unseen_ranks
from orchestrator.stack.render import Rendered, render
from orchestrator.stack.secret import secret_values
from training.contract.record import RunRecord

_QUEUE_POLL = 5.0  # seconds

Say = Callable[[str, str], None]
"""Called with a node's name and a line of progress."""


@dataclass(frozen=True)
class Prepared:
    """A run that is ready to be deployed; nothing has been changed yet."""

    stack: StackSpec
    ranks: list[Rank]
    rendered: Rendered
    image: ImageRecipe
    secrets: Mapping[str, str] = field(repr=False)
    forecast: Forecast | None
    """What it will take; None for a model that is not known here."""
    record: RunRecord
    anew: bool = True
    """Whether its folders are to be made: those of a run that goes on are there."""


def prepare(
    spec: ClusterSpec,
    stack: StackSpec,
    world: Mapping[str, Machine] | None,
    environ: Mapping[str, str] = os.environ,
    *,
    run: str | None = None,
) -> Prepared:
    """Decide everything. Without a world (a dry run away from the machines) the ranks name what
    only a machine can tell, and a missing secret is not an error. `run`: one that goes on."""
    if world is None:
        ranks = unseen_ranks(spec, stack)
        secrets = {secret.name: "" for secret in stack.secrets}
    else:
        ranks = ranks_for(spec, stack, world)
        secrets = secret_values(stack, environ)
    base = stack.base_image or spec.container.base_image
    image = image_recipe(base, stack.training.tracking.to)
    rendered = render(
        spec,
        stack,
        ranks,
        run=run or f"{stack.name}-{random.token_hex(3)}",
        image=image.tag,
        secrets=tuple(secrets),
    )
    record = record_of(rendered, stack, spec.name, ranks)
    told = forecast(stack, ranks, world)
    return Prepared(stack, ranks, rendered, image, secrets, told, record, anew=run is None)


def _clock(manager: Node) -> datetime:
    """The time there, UTC: the clock of a laptop may be hours away from it."""
    said = manager.script("date -u +%s", need="docker").strip()
    return datetime.fromtimestamp(int(said), UTC) if said.isdecimal() else datetime.now(UTC)


def wait_for_gpus(
    manager: Node, say: Callable[[str], None], sleep: Callable[[float], None] = time.sleep
) -> None:
    """Return when no other run holds them; `say` is told once for each that does."""
    told = ""
    while True:
        try:
            return make_way(manager)
        except BusyError as busy:
            if busy.brief != told:
                say(f"waiting: {busy.brief}")
                told = busy.brief
            sleep(_QUEUE_POLL)


def flush_page_caches(nodes: Iterable[Node]) -> None:
    """Give back what the kernel keeps of files; what is being written is waited for. Needs root."""
    by_name = {node.name: node for node in nodes}
    script = "sync; echo 1 > /proc/sys/vm/drop_caches"
    on_each(by_name, lambda name: by_name[name].script(script, deadline=300.0))


def launch(
    prepared: Prepared, nodes: Mapping[str, Node], images: Mapping[str, str], say: Say
) -> RunRecord:
    """Images first, on all nodes in parallel; then folders; then the deploy.

    `images`: the ID of the run's image on the nodes that are known to have it. Returns the record
    as every node has it.
    """
    manager = nodes[next(iter(nodes))]
    by_node = {rank.node: rank for rank in prepared.ranks}
    recipe, run = prepared.image, prepared.rendered.run

    def image_of(name: str) -> str:
        with docker_trouble(name):
            return ensure_image(nodes[name], recipe, lambda line: say(name, line))

    built = on_each([name for name in by_node if name not in images], image_of)
    record = prepared.record.model_copy(update={"images": {**images, **built}})
    if prepared.anew:
        record = record.model_copy(update={"created": _clock(manager)})
    files = files_of(record, prepared.rendered)
    if not prepared.anew:
        remove(manager, run)  # what an end that nobody saw has left; before its verdict goes
    on_each(
        by_node,
        lambda name: write_run_folder(nodes[name], by_node[name], run, files, anew=prepared.anew),
    )
    deploy(manager, prepared.rendered, prepared.secrets)
    return record
