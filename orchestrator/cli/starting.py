"""Check the machines, tell, and deploy: shared by `train` and `runs resume`."""

from collections.abc import Collection, Mapping

from orchestrator.node.node import Node
from orchestrator.runs.launch import Prepared, flush_page_caches, launch
from orchestrator.runs.preflight import preflight
from orchestrator.spec.cluster import ClusterSpec
from orchestrator.ui.console import err
from training.contract.record import RunRecord


def start(
    spec: ClusterSpec, prepared: Prepared, nodes: Mapping[str, Node], skip: Collection[str]
) -> RunRecord:
    """The record of the run, which goes on by itself from here."""
    checked = preflight(spec, prepared, nodes, skip)
    for finding in checked.warnings:
        line = f"note: {finding.check}: {finding.node}: {finding.message}"
        err().print(line, style="yellow")
    if prepared.stack.flush_page_cache:
        flush_page_caches(nodes[rank.node] for rank in prepared.ranks)
    return launch(
        prepared,
        nodes,
        checked.images,
        lambda node, line: err().print(f"  {node}  image: {line}"),
    )
