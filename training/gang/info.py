"""Who belongs to a gang."""

from dataclasses import dataclass


@dataclass(frozen=True)
class GangInfo:
    """Who belongs to the run."""

    run: str
    nonce: str
    nodes: tuple[str, ...]
    """By rank."""

    @property
    def world_size(self) -> int:
        """Number of ranks."""
        return len(self.nodes)
