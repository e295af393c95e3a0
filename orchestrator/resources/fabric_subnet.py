"""The fabric addresses of all nodes lie in one subnet: which it is, or why there is none. Pure."""

import ipaddress
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from orchestrator.errors import PreflightError


@dataclass(frozen=True)
class Candidate:
    """An address that a node may be given on the fabric."""

    interface: str
    ip: ipaddress.IPv4Interface
    rank: tuple[bool, int]
    """Lower is better: whether no swarm stands on it yet, then the preference of its port."""

    def meets(self, other: "Candidate") -> bool:
        """Whether each is in the other's subnet, as the two ends of one cable are."""
        return other.ip.ip in self.ip.network and self.ip.ip in other.ip.network


def in_one_subnet(found: Mapping[str, Sequence[Candidate]]) -> dict[str, Candidate]:
    """One candidate of every node, all in one subnet: on the best ports that there are."""
    sets = [_meeting(one, found) for one in next(iter(found.values()), ())]
    whole = [one for one in sets if len(one) == len(found)]
    if found and not whole:
        raise _no_common_subnet(found)
    return min(whole, key=_rank, default={})


def _meeting(first: Candidate, found: Mapping[str, Sequence[Candidate]]) -> dict[str, Candidate]:
    """Each node's best candidate that meets `first` and all that were taken before it."""
    taken: dict[str, Candidate] = {}
    for name, candidates in found.items():
        fitting = [one for one in candidates if all(one.meets(t) for t in (first, *taken.values()))]
        if fitting:
            taken[name] = fitting[0]
    return taken


def _rank(chosen: Mapping[str, Candidate]) -> tuple[int, int, int]:
    """The same for every order of the nodes."""
    ranks = [one.rank for one in chosen.values()]
    lowest = min(int(one.ip.network.network_address) for one in chosen.values())
    return sum(rank[0] for rank in ranks), sum(rank[1] for rank in ranks), lowest


def _no_common_subnet(found: Mapping[str, Sequence[Candidate]]) -> PreflightError:
    return PreflightError(
        f"no subnet of the fabric is common to {', '.join(found)}",
        details="\n".join(
            f"{name}: {', '.join(f'{one.interface} {one.ip}' for one in candidates)}"
            for name, candidates in found.items()
        ),
        resolution="The two ends of one cable belong in one subnet, another cable in another one; "
        "a switch makes one subnet for all. Fix the address that is wrong (NVIDIA Sync or "
        "netplan). Cables in a ring are not one subnet: Swarm and the ranks need one that all "
        "nodes share, or, where the fabric is routed, `fabric: {address: …}` for every node.",
    )


def ensure_distinct_addresses(chosen: Mapping[str, Candidate]) -> None:
    """Raise PreflightError where two nodes would be one to all others."""
    having: dict[str, list[str]] = {}
    for name, one in chosen.items():
        having.setdefault(str(one.ip.ip), []).append(name)
    for address, names in having.items():
        if len(names) > 1:
            raise PreflightError(
                f"{' and '.join(names)} have the same fabric address {address}",
                details="\n".join(f"{n}: {chosen[n].interface} {chosen[n].ip}" for n in names),
                resolution="Give each machine an address of its own; a netplan file that was "
                "copied from one to the other has the address of the first.",
            )
