"""What a row becomes: a text that is written out, or a conversation that a template writes out."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

Turn = Mapping[str, Any]
"""One turn of a conversation, whole: every key that its row has, for the template to read."""


@dataclass(frozen=True)
class Segment:
    """A part of a text; `in_loss`: whether the loss counts it."""

    text: str
    in_loss: bool


@dataclass(frozen=True)
class Text:
    """An example that is written out; the tokenizer adds its marks of beginning and end."""

    where: str
    segments: tuple[Segment, ...]


@dataclass(frozen=True)
class Chat:
    """A conversation; the chat template of the model writes it out, and its answers count."""

    where: str
    turns: tuple[Turn, ...]
    context: Mapping[str, Any] = field(default_factory=dict)
    """What else a template may read: tools, documents, settings of its own."""


Example = Text | Chat


@dataclass(frozen=True)
class LeftOut:
    """A row with nothing to learn in it: it is counted, and is no error."""

    where: str
    why: str
    """A phrase, the same for all rows of a kind: they are counted by it."""


@dataclass(frozen=True)
class Sample:
    """One sequence to learn, written out. An example gives one, or one for each of its answers."""

    where: str
    segments: tuple[Segment, ...]
    marked: bool
    """Whether the marks of beginning and end stand in the text (a template has written them)."""
    unread: frozenset[str] = frozenset()
    """Keys of the row's turns that nobody reads."""
