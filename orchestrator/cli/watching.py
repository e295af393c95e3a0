"""Watch a run in the terminal: shared by `train` and `runs follow | resume`."""

from collections.abc import Mapping

from orchestrator.errors import RunError
from orchestrator.node.node import Node
from orchestrator.runs.follow import Patience, follow
from orchestrator.spec.cluster import ClusterSpec
from orchestrator.stack.deploy import let_leave, remove
from orchestrator.ui.console import err, out
from orchestrator.ui.run_json import tell
from orchestrator.ui.run_view import RunView, show_verdict
from training.contract.record import RunRecord


def watch(
    spec: ClusterSpec,
    record: RunRecord,
    nodes: Mapping[str, Node],
    *,
    offsets: Mapping[int, int] | None = None,
    as_json: bool = False,
) -> None:
    """To the end. Raises RunError when that is no success.

    Whoever sees the end takes the services off the swarm: the run's secrets go with them. What
    was not seen to be over stays.
    """
    console = out()
    taking_part = {place.node: nodes[place.node] for place in record.ranks}
    manager = nodes[spec.manager.name]
    ordered = {spec.manager.name: manager} | taking_part
    try:
        if as_json:
            outcome = follow(record, ordered, tell, Patience(), offsets=offsets)
        else:
            with RunView(console, record.ranks) as view:
                outcome = follow(record, ordered, view.heard, Patience(), offsets=offsets)
    except KeyboardInterrupt:
        err().line()
        err().print(f"left; the run goes on by itself. {how_to_come_back(record.run)}")
        raise
    if outcome.judged:
        let_leave(manager, record.run)
    if outcome.over:
        remove(manager, record.run)
    if not outcome.succeeded:
        raise RunError(
            f"{record.run}: {outcome.brief}", details=outcome.details, resolution=outcome.resolution
        )
    if not as_json:
        show_verdict(outcome, record.ranks, console)


def how_to_come_back(run: str) -> str:
    """For who leaves a run alone."""
    return f"Watch it: sparkctl runs follow {run}   End it: sparkctl runs stop {run}"
