"""What was asked for: the record of a run, `run.json`."""

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict


class RankPlace(BaseModel):
    """Where a rank is."""

    model_config = ConfigDict(frozen=True)

    rank: int
    node: str
    address: str
    interface: str
    folder: str
    """The run folder on its node."""


class RunRecord(BaseModel):
    """A run, as it was asked for. Unknown fields are of a newer sparkctl, and passed over."""

    model_config = ConfigDict(frozen=True)

    version: Literal[1] = 1
    run: str
    cluster: str
    created: datetime
    """UTC."""
    image: str
    """Its tag carries the hash of the training code and the base image's name."""
    images: dict[str, str] = {}
    """Its ID on each node."""
    ranks: tuple[RankPlace, ...]
    stack: dict[str, Any]
    """The whole stack with every default, training and gang included."""
    secrets: tuple[str, ...] = ()
    """Names of those that it was given."""

    @property
    def stack_name(self) -> str:
        """Of the recipe."""
        return str(self.stack["name"])
