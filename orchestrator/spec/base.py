"""What all models of the declarative API share."""

from typing import Literal

from pydantic import BaseModel, ConfigDict

API_VERSION = "sparkctl/v1"
ApiVersion = Literal["sparkctl/v1"]


class Model(BaseModel):
    """Frozen, and an unknown key is an error: a typo must never be silently ignored."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, allow_inf_nan=False, use_attribute_docstrings=True
    )
