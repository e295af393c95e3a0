"""What would go wrong with a run, found before it is deployed. Pure: the machines were read."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from orchestrator.doctor.before_run import Finding, judge
from orchestrator.doctor.readiness import NodeReadiness, Wanted
from orchestrator.errors import DoesNotFitError, RunError
from orchestrator.runs.launch import Prepared

ABOUT_ROOM = ("memory", "disk")
"""Checks that say whether a run has a place on its nodes."""


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
    looked at. `skip`: names of checks. Raises RunError with everything that must be fixed first,
    DoesNotFitError where all of it is room.
    """
    found = [one for one in judge(wanted_by(prepared), readings) if one.check not in skip]
    fatal = [one for one in found if one.fatal]
    if fatal:
        checks = " ".join(f"--skip-check {name}" for name in dict.fromkeys(f.check for f in fatal))
        kind = DoesNotFitError if all(one.check in ABOUT_ROOM for one in fatal) else RunError
        raise kind(
            f"{prepared.stack.name} cannot start: {len(fatal)} of the checks failed",
            details="\n".join(f"{one.check}: {one.node}: {one.message}" for one in fatal),
            resolution="\n".join(
                [
                    *_settings(prepared),
                    *dict.fromkeys(one.remedy for one in fatal),
                    f"Or start all the same: {checks}",
                ]
            ),
        )
    images = {node: reading.image for node, reading in readings.items() if reading.image}
    return Checked(found, images)


def _settings(prepared: Prepared) -> list[str]:
    """With what it would fit, where that is known."""
    expected = prepared.forecast
    if expected is None or not expected.tight:
        return []
    said = list[str]()
    if expected.remedy:
        said.append(f"It would fit with {' '.join(f'--set {one}' for one in expected.remedy)}")
    if expected.nodes:
        said.append(f"It would fit on {expected.nodes} such nodes as it is")
    return said


def wanted_by(prepared: Prepared) -> Wanted:
    """What this run asks of its machines."""
    forecast = prepared.forecast
    return Wanted(
        stack=prepared.stack,
        ranks=prepared.ranks,
        memory=None if forecast is None else forecast.memory,
        usable=None if forecast is None or forecast.there is None else forecast.usable,
        checkpoint=0 if forecast is None else forecast.checkpoint,
    )
