"""What `sparkctl explain` says about one name, for people and programs alike."""

from typing import Literal

from pydantic import BaseModel, ConfigDict

from orchestrator.spec.base import ApiVersion

Kind = Literal["key", "section", "error", "check", "failure"]


class Part(BaseModel):
    """One thing that has a name."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)

    kind: Kind
    """A key or a section of a file, a code of errors, a check, or how a run can fail."""
    name: str
    """Of a key: the kind of file, then its path, such as `stack.training.optim.lr`."""
    text: str
    """What it means."""
    type: str | None = None
    """Of a key: what it holds."""
    default: str | None = None
    """Of a key: what holds when it is left out; `required` when it cannot be."""
    allowed: tuple[str, ...] = ()
    """Of a key: the values or limits that it has, if there are any."""
    example: str | None = None
    """Of a key that `train --set` takes: an option to copy."""
    exit_code: int | None = None
    """Of an error: the exit code of the command; null when it depends on others."""
    fix: str | None = None
    """What to do about it."""


class Explanation(Part):
    """The same, with what it consists of."""

    parts: tuple[Part, ...] = ()
    """Of a section: its keys. Of an error: its kinds."""


class Explanations(BaseModel):
    """Everything that a name may mean."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)

    apiVersion: ApiVersion = "sparkctl/v1"  # noqa: N815 - the name is the API's
    kind: Literal["Explanations"] = "Explanations"
    query: str
    """What was asked for."""
    found: tuple[Explanation, ...]
    """What has that name: a key that several files have is there more than once."""
