"""Folders: those that a rank's container binds, which Swarm does not make."""

from collections.abc import Iterator

from orchestrator.doctor.check import OfRank, Problem
from orchestrator.doctor.readiness import NodeReadiness, Wanted
from orchestrator.stack.ranks import Rank


@OfRank.about(
    "folder",
    before=("train",),
    order=500,
    why="Swarm refuses a container whose bind mount has no source.",
    fix="Run `sparkctl cluster up`.",
)
def folders_are_there(wanted: Wanted, rank: Rank, reading: NodeReadiness) -> Iterator[Problem]:
    """Of runs, cache, models, data, and what a script mounts."""
    for folder in reading.missing:
        own = "Bring it to the node, or change script.mounts or script.node_folder."
        yield Problem(f"{folder} is not there", fix=own if folder in rank.mounts else "")
