"""Ports: those where the ranks meet are free, and reached from every machine."""

from collections.abc import Iterator

from orchestrator.doctor.check import OfRank, Problem
from orchestrator.doctor.readiness import NodeReadiness, Wanted
from orchestrator.stack.ranks import Rank


@OfRank.about(
    "port",
    before=("train",),
    order=600,
    why="Rank 0 could not listen there.",
    fix="End it, or set fabric.port in the cluster file.",
)
def ports_are_free(wanted: Wanted, rank: Rank, reading: NodeReadiness) -> Iterator[Problem]:
    """On rank 0's machine."""
    for port in reading.ports_taken:
        yield Problem(f"something listens at port {port}, where the ranks are to meet")


@OfRank.about(
    "port",
    before=("train",),
    order=800,
    why="A firewall that drops packets lets the ranks wait for each other in silence.",
    fix="Let the fabric's network in on rank 0's machine: sudo ufw allow in on INTERFACE",
)
def ports_are_reached(wanted: Wanted, rank: Rank, reading: NodeReadiness) -> Iterator[Problem]:
    """Where the machine itself answers; what else a machine reports of ports is not trusted."""
    meeting = wanted.ranks[0]
    for door in reading.shut:
        protocol, address, at = (*door.split(), "", "", "")[:3]
        if meeting.node in reading.peers and address == meeting.address and at.isdecimal():
            yield Problem(
                f"nothing comes back from {meeting.node} at {protocol} {address}:{at}",
                fix=f"A firewall drops it. On {meeting.node}, for example: "
                f"sudo ufw allow in on {meeting.interface}",
            )
