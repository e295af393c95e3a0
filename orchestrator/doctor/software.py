"""Software: kernel, driver and toolkit are the same on all machines of a gang."""

from collections.abc import Iterator, Mapping

from orchestrator.doctor.check import OfGang, Problem
from orchestrator.doctor.readiness import NodeReadiness
from orchestrator.node.software import uneven


@OfGang.about(
    "software",
    before=("train",),
    order=920,
    why="NCCL between different drivers, or on some kernels, fails late and reports little.",
    fix="Upgrade both alike, or go back.",
    warns=True,
)
def software_is_even(readings: Mapping[str, NodeReadiness]) -> Iterator[tuple[str, Problem]]:
    """`up` shows the same as advice, with its plan."""
    software = {node: reading.software for node, reading in readings.items() if reading.software}
    for node, words in uneven(software):
        yield node, Problem(words)
