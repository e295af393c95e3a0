"""What would go wrong with a run, found before it is deployed. Pure: the machines were read."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from orchestrator.doctor.before_run import Finding, judge
from orchestrator.doctor.readiness import NodeReadiness, Wanted
from orchestrator.errors import RunError
from orchestrator.runs.launch import Prepared


@dataclass(frozen=True)
class Checked:
    """What is known of the machines when nothing forbids the run."""

    warnings: list[Finding]
    images: Mapping[str, str]
    """ID of the run's image by node, where it is there already."""


def preflight(
    prepared: Prepared, readings: Mapping[str, NodeReadiness], skip: Collection[str]
) -> Checked:
    """What the readings of all machines of the run say.

    They must be of a time when runs that had ended were off the swarm: one that hangs holds what is
    looked at. `skip`: names of checks. Raises RunError with everything that must be fixed first.
    """
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
