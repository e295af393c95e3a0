"""Some rows to sequences of tokens: the work of one process on one piece of the data. Pure."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from training.contract.config import Data
from training.contract.counts import KEYS, PLACES, DataCounts, phrase
from training.contract.errors import ConfigurationError
from training.rows.row import BadRow, Row, ends_a_run
from training.texts.example import Example, LeftOut, Sample
from training.texts.row_shapes import to_example
from training.texts.samples import samples
from training.tokens.encode import Encoded, Encoder
from training.tokens.rough import RoughEncoder
from training.tokens.tokens import Words, is_learned

NOTHING_LEARNED = "nothing to learn within data.max_length"
TOO_LONG = "longer than data.max_length"


@dataclass(frozen=True)
class Recipe:
    """All that decides what becomes of a row; can be sent to another process."""

    data: Data
    encoder: Encoder | RoughEncoder
    """The latter where tokens are counted, never where they are learned."""


@dataclass(frozen=True)
class Chunk:
    """What came of some rows, in their order."""

    words: Words
    """Of all sequences, one after the other."""
    lengths: NDArray[np.int64]
    """Of each sequence."""
    owners: NDArray[np.int64]
    """Of each sequence the example that it is of: 0 is the first of this chunk."""
    examples: int
    counts: DataCounts


def tokenise(rows: Sequence[Row | BadRow], recipe: Recipe) -> Chunk:
    """Raises ConfigurationError for the first bad row, unless `data.on_bad_row` skips them."""
    found = _Found([], [], [], Counter())
    for row in rows:
        found.take(row, recipe)
    sequences, owners, cut = list[Words](), list[int](), Counter[str]()
    encoded = recipe.encoder.encode([sample for _, sample in found.samples])
    for (owner, sample), one in zip(found.samples, encoded, strict=True):
        for words in _fitting(sample, one, recipe.data, cut):
            # The first token of a sequence is never predicted.
            if is_learned(words[1:]).any():
                sequences.append(words)
                owners.append(owner)
            else:
                found.left_out[NOTHING_LEARNED] += 1
    found.left_out[TOO_LONG] += cut["dropped"]
    words = np.concatenate([*sequences, np.empty(0, np.uint32)])
    lengths = np.array([len(one) for one in sequences], np.int64)
    unread = {key for _, sample in found.samples for key in sample.unread}
    return Chunk(
        words,
        lengths,
        np.array(owners, np.int64),
        len(found.examples),
        DataCounts(
            rows=len(rows),
            bad=len(found.bad),
            bad_places=tuple(map(phrase, found.bad[:PLACES])),
            left_out={phrase(why): number for why, number in found.left_out.items() if number},
            cut=cut["cut"],
            endless=cut["endless"],
            unread=tuple(sorted(set(map(phrase, unread)))[:KEYS]),
            sequences=len(sequences),
            tokens=len(words),
            learned=int(is_learned(words).sum()),
            longest=int(lengths.max(initial=0)),
        ),
    )


@dataclass(frozen=True)
class _Found:
    """What rows say, before it is in tokens."""

    examples: list[Example]
    samples: list[tuple[int, Sample]]
    """Each with the number of its example."""
    bad: list[str]
    left_out: Counter[str]

    def take(self, row: Row | BadRow, recipe: Recipe) -> None:
        try:
            example = example_of(row, recipe.data)
            if isinstance(example, LeftOut):
                self.left_out[example.why] += 1
                return
            found = samples(example, recipe.encoder.template)
        except ConfigurationError as bad:
            if bad.code != "data_invalid":  # of all rows: without a template none could be used
                raise
            if recipe.data.on_bad_row == "stop":
                raise ends_a_run(bad) from None
            self.bad.append(bad.message)
            return
        self.samples.extend((len(self.examples), sample) for sample in found)
        self.examples.append(example)


def example_of(row: Row | BadRow, data: Data) -> Example | LeftOut:
    """What a row says. Raises ConfigurationError for a bad one."""
    if isinstance(row, BadRow):
        raise row.error()
    return to_example(row, data.template)


def _fitting(sample: Sample, encoded: Encoded, data: Data, cut: Counter[str]) -> Iterator[Words]:
    """The sequences of a sample, none longer than `data.max_length`; counts what was cut."""
    words, room = encoded.words, data.max_length
    if len(words) <= room:
        yield words
    elif _is_plain_text(sample):
        begin, body = words[: encoded.begin], words[encoded.begin :]
        pieces = -(-len(body) // (room - len(begin)))
        yield from (np.concatenate([begin, part]) for part in np.array_split(body, pieces))
    elif data.over_long == "drop":
        cut["dropped"] += 1
    else:
        learned = is_learned(words)
        cut["cut"] += 1
        cut["endless"] += bool(learned[room - 1] and learned[room])
        yield words[:room]


def _is_plain_text(sample: Sample) -> bool:
    """All of it is learned, so it can be learned in pieces."""
    return not sample.marked and len(sample.segments) == 1 and sample.segments[0].in_loss
