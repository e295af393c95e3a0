"""From a stack and a cluster to a gang of ranks that runs."""

import os
import secrets as random
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from orchestrator.artifacts.image import ImageRecipe, ensure_image, image_recipe
from orchestrator.engines.find import engine_of
from orchestrator.facts.machine import Machine
from orchestrator.node.docker_errors import translate_docker_errors
from orchestrator.node.node import Node
from orchestrator.node.parallel import on_each, raise_all, try_each
from orchestrator.runs.base_model import BaseModel, known_here
from orchestrator.runs.forecast import Forecast, forecast
from orchestrator.runs.record import files_of, record_of
from orchestrator.spec.cluster import ClusterSpec
from orchestrator.spec.stack import StackSpec
from orchestrator.stack.certain import refuse_what_cannot_work
from orchestrator.stack.deploy import deploy, remove, remove_run_folder, write_run_folder
from orchestrator.stack.ranks import Rank, placeholder_ranks, ranks_for
from orchestrator.stack.render import Rendered, render
from orchestrator.stack.secret import secret_values
from training.contract.record import RunRecord

OnNodeProgress = Callable[[str, str], None]
"""Called with a node's name and a line of progress."""


@dataclass(frozen=True)
class Prepared:
    """A run that is ready to be deployed; nothing has been changed yet."""

    stack: StackSpec
    ranks: list[Rank]
    rendered: Rendered
    image: ImageRecipe
    secrets: Mapping[str, str] = field(repr=False)
    base: BaseModel
    """What is known of its base."""
    forecast: Forecast | None
    """What it will take; None where the base is not known, or the engine is not ours."""
    record: RunRecord
    notes: tuple[str, ...]
    """What a user should know of the engine, in lines."""
    is_new: bool
    """Whether its folders must be made. A run that is resumed has them."""


def prepare(
    spec: ClusterSpec,
    stack: StackSpec,
    world: Mapping[str, Machine] | None,
    environ: Mapping[str, str] = os.environ,
    *,
    run: str | None = None,
    is_new: bool = True,
    base: BaseModel | None = None,
) -> Prepared:
    """Decide everything. Without a world (a dry run away from the machines) the ranks name what
    only a machine knows, and a missing secret is not an error.

    `run`: its name; by default the stack's name and a random suffix. `is_new` is false for a run
    that is resumed. `base`: what was found out about its base; by default what is known here.
    """
    refuse_what_cannot_work(spec, stack)
    engine = engine_of(stack)
    if stack.training is not None:
        engine.ensure_settings_honoured(stack.name, stack.training)
    if world is None:
        ranks = placeholder_ranks(spec, stack)
        secrets = {secret.name: "" for secret in stack.secrets}
    else:
        ranks = ranks_for(spec, stack, world)
        secrets = secret_values(stack, environ)
    base_image = stack.base_image or engine.spec.base_image or spec.container.base_image
    image = image_recipe(base_image, engine.contents(stack.training))
    rendered = render(
        spec,
        stack,
        ranks,
        engine,
        run=run or f"{stack.name}-{random.token_hex(3)}",
        image=image.tag,
        secrets=tuple(secrets),
    )
    record = record_of(rendered, stack, spec.name, ranks)
    base = base or known_here(stack)
    expected = forecast(stack, ranks, world, base.shape) if engine.spec.forecast else None
    return Prepared(
        stack, ranks, rendered, image, secrets, base, expected, record, engine.notes, is_new
    )


def _clock(manager: Node) -> datetime:
    """The time there, UTC: the clock of a laptop may be hours away from it."""
    seconds = manager.script("date -u +%s", need="docker").strip()
    return datetime.fromtimestamp(int(seconds), UTC) if seconds.isdecimal() else datetime.now(UTC)


def flush_page_caches(nodes: Iterable[Node]) -> None:
    """Drop the kernel's page cache, after a sync. Needs root."""
    by_name = {node.name: node for node in nodes}
    script = "sync; echo 1 > /proc/sys/vm/drop_caches"
    on_each(by_name, lambda name: by_name[name].script(script, deadline=300.0))


def build_images(
    prepared: Prepared,
    nodes: Mapping[str, Node],
    known: Mapping[str, str],
    on_progress: OnNodeProgress,
) -> dict[str, str]:
    """The ID of the run's image by node; built where it is not `known` to be. Takes minutes."""

    def image_of(name: str) -> str:
        with translate_docker_errors(name):
            return ensure_image(nodes[name], prepared.image, lambda line: on_progress(name, line))

    missing = [rank.node for rank in prepared.ranks if rank.node not in known]
    return {**known, **on_each(missing, image_of)}


def launch(
    prepared: Prepared, manager: Node, nodes: Mapping[str, Node], images: Mapping[str, str]
) -> RunRecord:
    """Folders, on all nodes in parallel; then the deploy. Returns the record as every node has it.

    When it fails, or is interrupted, nothing stays of a run that has not begun.
    """
    by_node = {rank.node: rank for rank in prepared.ranks}
    run = prepared.rendered.run
    record = prepared.record.model_copy(update={"images": images})
    if prepared.is_new:
        record = record.model_copy(update={"created": _clock(manager)})
    files = files_of(record, prepared.rendered)
    if not prepared.is_new:
        remove(manager, run)  # what an end that nobody saw has left; before its verdict goes

    def write(name: str) -> None:
        write_run_folder(nodes[name], by_node[name], run, files, is_new=prepared.is_new)

    written: Iterable[str] = by_node  # of an interrupt nobody knows how far they came
    try:
        written, errors = try_each(by_node, write)
        raise_all(errors)
        deploy(manager, prepared.rendered, prepared.secrets)
    except BaseException:
        if prepared.is_new:
            try_each(written, lambda name: remove_run_folder(nodes[name], by_node[name], run))
        raise
    return record
