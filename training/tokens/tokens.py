"""Sequences of tokens, and which of them the loss counts."""

from dataclasses import dataclass

IGNORED = -100
"""The label of a token that the loss does not count; torch's own number for it."""


@dataclass(frozen=True)
class Tokens:
    """One sequence; `labels` are its ids where the loss counts them, and `IGNORED` elsewhere."""

    input_ids: list[int]
    labels: list[int]


@dataclass(frozen=True)
class Sequences:
    """The two parts of a dataset in tokens."""

    train: tuple[Tokens, ...]
    held_out: tuple[Tokens, ...]
