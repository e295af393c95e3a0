"""Put a run onto the swarm: remove finished runs, check the machines, build images, deploy."""

from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

from orchestrator.doctor.before_run import Finding
from orchestrator.node.node import Node
from orchestrator.node.parallel import begin
from orchestrator.reconcile.lock import LAUNCH, locked
from orchestrator.reconcile.owner import this_owner
from orchestrator.runs.foresee import foresee
from orchestrator.runs.launch import Prepared, build_images, flush_page_caches, launch
from orchestrator.runs.outlook import DryRun
from orchestrator.runs.preflight import preflight
from orchestrator.runs.queue import in_turn, judged
from orchestrator.runs.survey import read
from orchestrator.spec.cluster import ClusterSpec
from orchestrator.stack.occupancy import remove_finished_runs, require_free_gpus
from training.contract.record import RunRecord

__all__ = ["DryRun", "Finding", "ImageLine", "StartEvent", "StartListener", "Waiting", "start"]


@dataclass(frozen=True)
class ImageLine:
    """A line of progress of a node that builds the run's image."""

    node: str
    line: str


@dataclass(frozen=True)
class Waiting:
    """What is waited for until the run may start, in words."""

    line: str


StartEvent = Finding | ImageLine | Waiting | DryRun
"""A finding is one that does not forbid the run; a DryRun says what is expected of it."""
StartListener = Callable[[StartEvent], None]


def start(
    spec: ClusterSpec,
    prepared: Prepared,
    nodes: Mapping[str, Node],
    listen: StartListener,
    *,
    skip: Collection[str] = (),
    queue: bool = False,
) -> RunRecord:
    """The record of the run, which continues by itself from here. `skip`: names of checks.

    With `queue` it waits while another run holds the GPUs.
    """
    begin_run = partial(_start, spec, prepared, nodes, listen, skip)
    if not queue:
        return begin_run()
    return in_turn(spec, nodes, lambda line: listen(Waiting(line)), begin_run)


def _start(
    spec: ClusterSpec,
    prepared: Prepared,
    nodes: Mapping[str, Node],
    listen: StartListener,
    skip: Collection[str],
) -> RunRecord:
    """What takes long is done first: others who want to start a run, or to change the machines,
    are held off only while it is put onto the swarm."""
    verb = "train" if prepared.is_new else "runs resume"
    owner = this_owner(f"sparkctl {verb} {prepared.rendered.run}")
    manager = nodes[spec.manager.name]

    @contextmanager
    def alone() -> Iterator[None]:
        with locked({manager.name: manager}, LAUNCH, owner):
            remove_finished_runs(manager, judged(spec, nodes))
            yield

    occupied = begin(partial(require_free_gpus, manager, judged(spec, nodes)))
    readings = read(spec, prepared, nodes)  # meanwhile
    if occupied.result().over:  # one that hangs may hold what was looked at
        with alone():
            pass
        readings = read(spec, prepared, nodes)
    listen(foresee(prepared, readings, secrets={}, powers=[]))
    checked = preflight(prepared, readings, skip)
    for finding in checked.warnings:
        listen(finding)
    if prepared.stack.flush_page_cache:
        flush_page_caches(nodes[rank.node] for rank in prepared.ranks)
    images = build_images(
        prepared, nodes, checked.images, lambda node, line: listen(ImageLine(node, line))
    )
    with alone():  # somebody may have been quicker
        return launch(prepared, manager, nodes, images)
