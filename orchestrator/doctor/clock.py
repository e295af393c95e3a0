"""Clocks: those of the machines agree."""

from collections.abc import Iterator, Mapping

from orchestrator.doctor.check import OfGang, Problem
from orchestrator.doctor.readiness import NodeReadiness

_APART = 2.0
"""Seconds that two machines' clocks may differ."""


@OfGang.about(
    "clock",
    before=("train",),
    order=910,
    why="Lines of several ranks are put in order by their time.",
    fix="timedatectl set-ntp true",
    warns=True,
)
def clocks_agree(readings: Mapping[str, NodeReadiness]) -> Iterator[tuple[str, Problem]]:
    """Compared with the first that reports its time; none is known better than its round trip."""
    known = [(node, one, one.clock) for node, one in readings.items() if one.clock is not None]
    for node, one, clock in known[1:]:
        _, first, reference = known[0]
        apart = abs((clock - one.asked) - (reference - first.asked))
        if apart - one.span - first.span > _APART:
            yield node, Problem(f"its clock is {apart:.1f} s away from the first node's")
