"""What `sparkctl data check --json` prints."""

from typing import Literal

from pydantic import BaseModel, ConfigDict

from orchestrator.spec.base import ApiVersion
from training.contract.counts import DataCounts


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)


class LengthPart(_Part):
    """Sequences of some lengths."""

    tokens_at_most: int
    """Longer than the part before, up to this."""
    sequences: int
    """How many are so long."""


class SegmentPart(_Part):
    """A piece of a text, as the model reads it."""

    text: str
    """As it is."""
    learned: bool
    """Whether the loss counts it."""


class SamplePart(_Part):
    """One sequence, written out."""

    where: str
    """The file and line, or the set and row, that it is of."""
    segments: tuple[SegmentPart, ...]


class BatchesPart(_Part):
    """What the rows become, one node's forward pass at a time."""

    batching: Literal["padding-free", "packed", "padded"]
    """As the recipe says. What `auto` chooses: padded where a model's attention cannot keep the
    sequences of a row apart, which the nodes find out."""
    rows_per_pass: float
    """Sequences, on average."""
    tokens_per_pass: float
    """Without padding, on average."""
    room: int | None
    """Tokens that a packed pass has room for."""
    passes: int
    """Of an epoch of these rows, of all nodes together, about."""


class DataReport(_Part):
    """A data set, as a run would read it."""

    apiVersion: ApiVersion = "sparkctl/v1"  # noqa: N815 - the name is the API's
    kind: Literal["Data"] = "Data"
    usable: bool
    """Whether a run would start with it."""
    problem: str | None
    """Why not, in words."""
    remedy: str | None
    """What to do about it."""
    data: str
    """What was looked at."""
    kind_of_rows: str | None
    """What the first row that can be used is: a conversation, an answer to something, a text."""
    columns: tuple[str, ...]
    """Of its first rows."""
    counts: DataCounts
    exact: bool
    """Whether tokens were counted with the model's tokenizer; else they are about right."""
    tokenizer: str | None
    """Whose it is, and where it was found; null: nobody named a model."""
    not_exact_because: str | None
    """In words, with what to do."""
    lengths: tuple[LengthPart, ...]
    median: int
    """Tokens of a sequence."""
    max_length: int
    """`data.max_length`, at which sequences are cut."""
    batches: BatchesPart | None = None
    """null: no stack is named, or there are no rows."""
    learned_by: str | None
    """How it is decided which of a conversation is learned; null: there is none."""
    sample: SamplePart | None
    """The first row that can be used."""
