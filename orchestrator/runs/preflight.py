"""What would go wrong with a run, found before it is deployed: one round trip to every node."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from orchestrator.doctor.before_run import Finding, judge
from orchestrator.doctor.readiness import Wanted
from orchestrator.errors import RunError
from orchestrator.node.node import Node
from orchestrator.runs.launch import Prepared
from orchestrator.runs.survey import read
from orchestrator.spec.cluster import ClusterSpec


@dataclass(frozen=True)
class Checked:
    """What is known of the machines when nothing forbids the run."""

    warnings: list[Finding]
    images: Mapping[str, str]
    """ID of the run's image by node, where it is there already."""


def preflight(
    spec: ClusterSpec, prepared: Prepared, nodes: Mapping[str, Node], skip: Collection[str]
) -> Checked:
    """Read all machines of the run at once. Changes nothing.

    A run that has ended must be off the swarm by now: it may hang, and hold what is looked at.
    `skip`: names of checks. Raises RunError with everything that must be fixed first.
    """
    readings = read(spec, prepared, nodes)
    found = [one for one in judge(wanted_by(prepared), readings) if one.check not in skip]
    fatal = [one for one in found if one.fatal]
    if fatal:
        checks = " ".join(f"--skip-check {name}" for name in dict.fromkeys(f.check for f in fatal))
        raise RunError(
            f"{prepared.stack.name} cannot start: {len(fatal)} of the checks failed",
            details="\n".join(f"{one.check}: {one.node}: {one.message}" for one in fatal),
            resolution="\n".join(
                [
                    *dict.fromkeys(one.remedy for one in fatal),
                    f"Or start all the same: {checks}",
                ]
            ),
        )
    images = {node: reading.image for node, reading in readings.items() if reading.image}
    return Checked(found, images)


def wanted_by(prepared: Prepared) -> Wanted:
    """What this run asks of its machines."""
    forecast = prepared.forecast
    return Wanted(
        stack=prepared.stack,
        ranks=prepared.ranks,
        memory=None if forecast is None else forecast.memory,
        checkpoint=0 if forecast is None else forecast.checkpoint,
    )
