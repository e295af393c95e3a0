"""Check the machines, tell, and deploy: shared by `train` and `runs resume`."""

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager

from orchestrator.node.node import Node
from orchestrator.reconcile.lock import LAUNCH, locked
from orchestrator.reconcile.owner import this_owner
from orchestrator.runs.launch import Prepared, build_images, flush_page_caches, launch
from orchestrator.runs.preflight import preflight
from orchestrator.runs.queue import judged
from orchestrator.spec.cluster import ClusterSpec
from orchestrator.stack.way import make_way, refuse_busy
from orchestrator.ui.console import err
from training.contract.record import RunRecord


def start(
    spec: ClusterSpec, prepared: Prepared, nodes: Mapping[str, Node], skip: Collection[str]
) -> RunRecord:
    """The record of the run, which goes on by itself from here.

    What takes long is done first: others who want to start a run, or to change the machines, are
    held off only while it is put onto the swarm.
    """
    verb = "train" if prepared.anew else "runs resume"
    owner = this_owner(f"sparkctl {verb} {prepared.rendered.run}")
    manager = nodes[spec.manager.name]

    @contextmanager
    def alone() -> Iterator[None]:
        with locked({manager.name: manager}, LAUNCH, owner):
            make_way(manager, judged(spec, nodes))
            yield

    if refuse_busy(manager, judged(spec, nodes)).over:
        with alone():
            pass
    checked = preflight(spec, prepared, nodes, skip)
    for finding in checked.warnings:
        line = f"note: {finding.check}: {finding.node}: {finding.message}"
        err().print(line, style="yellow")
    if prepared.stack.flush_page_cache:
        flush_page_caches(nodes[rank.node] for rank in prepared.ranks)
    images = build_images(
        prepared, nodes, checked.images, lambda node, line: err().print(f"  {node}  image: {line}")
    )
    with alone():  # somebody may have been quicker
        return launch(prepared, nodes, images)
