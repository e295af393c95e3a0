"""What `sparkctl stacks list --json` prints."""

from typing import Literal

from pydantic import BaseModel, ConfigDict

from orchestrator.spec.base import ApiVersion


class StackReport(BaseModel):
    """A stack that sparkctl ships."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)

    name: str
    """What `sparkctl train` takes."""
    description: str
    """One line for people."""
    model: str | None
    """The base model; null where the stack starts a script."""
    method: str | None
    """`full`, `lora` or `qlora`; null where the stack starts a script."""
    nodes_min: int
    """Fewest nodes that it runs on."""
    nodes_max: int | None
    """Most of them that it uses; null: all."""
    memory_bytes: int | None
    """What each of two nodes takes at most, estimated; of more nodes where it needs more. null: not
    known."""


class StacksReport(BaseModel):
    """All of them."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)

    apiVersion: ApiVersion = "sparkctl/v1"  # noqa: N815 - the name is the API's
    kind: Literal["Stacks"] = "Stacks"
    stacks: tuple[StackReport, ...]
    """By name."""
