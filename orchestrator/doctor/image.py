"""The base image: the same on all machines."""

from collections.abc import Iterator, Mapping

from orchestrator.doctor.check import OfGang, Problem
from orchestrator.doctor.readiness import NodeReadiness


@OfGang.about(
    "image",
    before=("train",),
    order=930,
    why="A tag may mean one image on one machine and another on the next.",
    fix="docker pull it on both, or name it by digest: container.base_image",
    warns=True,
)
def base_image_is_the_same(readings: Mapping[str, NodeReadiness]) -> Iterator[tuple[str, Problem]]:
    """Of those machines that have it."""
    bases = {node: reading.base for node, reading in readings.items() if reading.base}
    reference = next(iter(bases.values()), None)
    for node, base in bases.items():
        if base != reference:
            yield node, Problem("its base image is another one than on the first node")
