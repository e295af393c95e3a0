"""Memberships: in our swarm, in none, or in one that is left alone."""

from collections.abc import Iterator

from orchestrator.doctor.check import OfCluster, Problem
from orchestrator.reconcile.membership import membership_problems
from orchestrator.resources.base import World
from orchestrator.spec.cluster import ClusterSpec


@OfCluster.about(
    "swarm",
    before=("up",),
    order=400,
    why="A membership that is not ours is never left, and one that is broken is not built upon.",
    fix="`sparkctl cluster up --repair` repairs what is ours; what is not, its owner must leave.",
)
def membership_can_be_built_upon(
    spec: ClusterSpec, world: World
) -> Iterator[tuple[str | None, Problem]]:
    """The first problem of each node."""
    for node, problem in membership_problems(spec, world).items():
        yield node, Problem(problem.brief, problem.details, problem.resolution)
