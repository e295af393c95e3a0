"""What a row becomes: a text that is written out, or a conversation that a template writes out."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Turn = Mapping[str, Any]
"""One turn of a conversation, whole: every key that its row has, for the template to read."""

Way = Literal["text", "marks", "training template", "added", "one by one"]
"""How it was found what is learned of a sample.

`text`: its row says it. `marks`: the template has `{% generation %}` marks. `training template`:
trl has the same template with marks. `added`: the template only ever adds to its text, and an
answer is what it adds. `one by one`: it rewrites earlier turns; each answer is a sample, as it was
asked for.
"""


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
    unlearned: frozenset[int] = frozenset()
    """Answers (their places in `turns`) that are there to be read, not to be learned."""

    @property
    def answers(self) -> tuple[int, ...]:
        """The places of the turns that are learned."""
        return tuple(
            place
            for place, turn in enumerate(self.turns)
            if turn["role"] == "assistant" and place not in self.unlearned
        )


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
    """Keys of the row's turns, and columns beside them, that the template has not read."""
    way: Way = "text"
