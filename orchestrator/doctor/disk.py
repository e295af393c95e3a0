"""Disk: room for what a run writes, and for a model that is still to come."""

from collections.abc import Iterator

from orchestrator.doctor.check import OfRank, Problem
from orchestrator.doctor.readiness import NodeReadiness, Wanted
from orchestrator.stack.ranks import Rank
from training.plan.memory import GIB

LEAST = 2 * GIB
"""Bytes for logs, metrics and small adapters; a model that is still to come is added."""


def room_for(folder: str, to_come: int) -> int:
    """Bytes that must be free for it at least; `to_come`: of a model that is to be fetched."""
    return LEAST + (to_come if folder == "models" else 0)


@OfRank.about(
    "disk",
    before=("train",),
    order=300,
    why="A run that cannot write its checkpoint has trained for nothing.",
    fix="Make room: `sparkctl runs list` shows what each run takes, `sparkctl runs rm RUN` deletes "
    "one; `docker system df` shows the images.",
)
def disk_has_room(wanted: Wanted, rank: Rank, reading: NodeReadiness) -> Iterator[Problem]:
    """2 GiB where runs and models lie, and the base's weights where they are not there yet."""
    to_come = wanted.checkpoint if reading.model is False else 0
    for name, free in reading.disk.items():
        least = room_for(name, to_come)
        if free < least:
            yield Problem(f"{free / GIB:.1f} GiB are free for {name}, {least / GIB:.1f} needed")
