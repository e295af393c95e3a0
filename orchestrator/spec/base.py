"""What all models of the declarative API share."""

from typing import Literal

from pydantic import BaseModel, ConfigDict

from orchestrator.spec.key_path import Key

API_VERSION = "sparkctl/v1"
ApiVersion = Literal["sparkctl/v1"]


class Model(BaseModel):
    """Frozen, and an unknown key is an error: a typo must never be silently ignored."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, allow_inf_nan=False, use_attribute_docstrings=True
    )


class Misfit(ValueError):
    """What is wrong with one value below the one that a validator looks at."""

    def __init__(self, message: str, *below: Key) -> None:
        super().__init__(message)
        self.below = below
        """The keys that lead there."""
