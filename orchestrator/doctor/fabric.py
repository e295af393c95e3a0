"""The fabric: the ranks' own cable, with all of them at it."""

from collections.abc import Iterator

from orchestrator.doctor.check import OfRank, Problem
from orchestrator.doctor.readiness import NodeReadiness, Wanted
from orchestrator.stack.ranks import Rank


@OfRank.about(
    "fabric",
    before=("train",),
    order=400,
    why="What ranks send each other is not encrypted, and torch trusts whoever sends it.",
    fix="Join the machines by their cable; docs/security.md lists what a peer can do.",
    warns=True,
)
def fabric_is_not_the_uplink(
    wanted: Wanted, rank: Rank, reading: NodeReadiness
) -> Iterator[Problem]:
    """Of runs with several ranks."""
    if len(wanted.ranks) > 1 and rank.interface in reading.uplinks:
        yield Problem(
            f"the ranks meet over {rank.interface}, the way to everywhere else: whoever is on that "
            "network can listen, and disturb what torch sends there"
        )


@OfRank.about(
    "fabric",
    before=("train",),
    order=700,
    why="Ranks that do not reach each other wait for the gang's deadline.",
    fix="Look at the cable and at `ip address` on both: sparkctl cluster status",
)
def peers_answer(wanted: Wanted, rank: Rank, reading: NodeReadiness) -> Iterator[Problem]:
    """Asked by ping, over the interface that the rank uses."""
    for other in wanted.ranks:
        if other is not rank and other.node not in reading.peers:
            yield Problem(f"{other.node} does not answer at {other.address} over {rank.interface}")
