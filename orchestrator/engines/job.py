"""What an engine gets to know of a run: names, addresses, paths, settings. Plain data."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Place:
    """One rank, and where it meets the others."""

    node: str
    address: str
    interface: str


@dataclass(frozen=True)
class Job:
    """A run, as an engine sees it."""

    run: str
    places: tuple[Place, ...]
    """By rank; rank 0's address is where the ranks meet."""
    port: int
    """There, for the engine's own group."""
    training: Mapping[str, Any]
    """The `training:` section of the recipe, with every default."""
    folders: Mapping[str, str]
    """Paths in the container, by the name that stands for them: run_dir, checkpoints, …"""
    secrets: tuple[str, ...] = ()
    """Names of those that have a value."""

    def values(self, rank: int) -> dict[str, Any]:
        """What `{{ name }}` stands for in a file or word of this rank."""
        place = self.places[rank]
        return {
            "run": self.run,
            "rank": rank,
            "world_size": len(self.places),
            "node": place.node,
            "nodes": ",".join(one.node for one in self.places),
            "address": self.places[0].address,
            "port": self.port,
            "own_address": place.address,
            "interface": place.interface,
            "secrets": ",".join(self.secrets),
            "training": self.training,
            **self.folders,
            **dict(_dotted(self.training, "training.")),
        }


def _dotted(values: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, Any]]:
    for key, value in values.items():
        yield f"{prefix}{key}", value
        if isinstance(value, Mapping):
            yield from _dotted(value, f"{prefix}{key}.")
