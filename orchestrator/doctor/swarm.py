"""Memberships: in our swarm, in none, or in one that is left alone."""

from collections.abc import Iterator

from orchestrator.doctor.check import OfCluster, Problem
from orchestrator.reconcile.membership import troubles
from orchestrator.resources.base import World
from orchestrator.spec.cluster import ClusterSpec


@OfCluster.about(
    "swarm",
    before=("up",),
    order=400,
    why="A membership that is not ours is never left, and one that is broken is not built upon.",
    fix="`sparkctl cluster up --repair` mends what is ours; what is not is for its owner to leave.",
)
def membership_can_be_built_upon(
    spec: ClusterSpec, world: World
) -> Iterator[tuple[str | None, Problem]]:
    """The first trouble of each node."""
    for node, trouble in troubles(spec, world).items():
        yield node, Problem(trouble.brief, trouble.details, trouble.resolution)
