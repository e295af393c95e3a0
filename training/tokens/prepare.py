"""A dataset in tokens: what is left out is said."""

import sys
from collections.abc import Iterable

from training.contract.config import Data
from training.contract.errors import ConfigurationError
from training.texts.example import Example
from training.texts.samples import samples
from training.texts.shapes import Examples
from training.tokens.encode import Encoder
from training.tokens.tokens import IGNORED, Sequences, Tokens


def prepare(examples: Examples, encoder: Encoder, data: Data, ranks: int) -> Sequences:
    """All examples in tokens; prints on stderr which rows are left out.

    Raises `ConfigurationError` for rows that the tokenizer or its chat template refuses, and when
    there is not a held-out row for every rank.
    """
    train, train_out = _part(examples.train, encoder, data.max_length)
    held_out, held_out_out = _part(examples.held_out, encoder, data.max_length)
    if left_out := train_out + held_out_out:
        print(
            f"{len(left_out)} rows have nothing to learn within data.max_length = "
            f"{data.max_length} tokens and are left out: {', '.join(left_out[:5])}"
            f"{', …' if len(left_out) > 5 else ''}",
            file=sys.stderr,
        )
    if not train or len(held_out) < ranks:
        raise ConfigurationError(
            "data_too_small",
            f"{len(train)} rows to train on and {len(held_out)} held-out rows have anything to "
            f"learn within data.max_length; {ranks} ranks need one of each kind at least",
            "Raise data.held_out_rows or data.max_length.",
        )
    return Sequences(train, held_out)


def sequences_of(example: Example, encoder: Encoder, max_length: int) -> list[Tokens]:
    """The sequences of one example, each cut at its end to `max_length` tokens."""
    whole = map(encoder.tokens, samples(example, encoder.template))
    return [Tokens(t.input_ids[:max_length], t.labels[:max_length]) for t in whole]


def _part(
    examples: Iterable[Example], encoder: Encoder, max_length: int
) -> tuple[tuple[Tokens, ...], tuple[str, ...]]:
    kept: list[Tokens] = []
    left_out: list[str] = []
    for example in examples:
        for tokens in sequences_of(example, encoder, max_length):
            # The first token of a sequence is never predicted.
            if any(label != IGNORED for label in tokens.labels[1:]):
                kept.append(tokens)
            else:
                left_out.append(example.where)
    return tuple(kept), tuple(left_out)
