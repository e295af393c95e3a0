"""A look at data: what a run would make of it, without keeping any of it."""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import chain, islice

import numpy as np
from numpy.typing import NDArray

from training.contract.counts import DataCounts, total
from training.contract.errors import ConfigurationError
from training.rows.row import BadRow, Row
from training.texts.example import LeftOut, Sample
from training.texts.samples import samples
from training.tokens.chunk import Recipe, example_of
from training.tokens.workers import tokenised


@dataclass(frozen=True)
class Look:
    """What was seen."""

    counts: DataCounts
    examples: int
    lengths: NDArray[np.int64]
    """Tokens of every sequence."""
    sample: Sample | None
    """The first of the data; None: no row can be used."""
    first_bad: ConfigurationError | None
    """What is wrong with a bad one of the first rows."""
    columns: tuple[str, ...]
    """Of the first rows."""


FIRST = 100
"""Rows that are looked at for their columns, and for a sample."""


def look(rows: Iterable[Row | BadRow], recipe: Recipe) -> Look:
    """All rows; bad ones are counted where `data.on_bad_row` says so."""
    rest = iter(rows)
    first = list(islice(rest, FIRST))
    counts, examples, lengths = DataCounts(), 0, [np.empty(0, np.int64)]
    for chunk in tokenised(chain(first, rest), recipe):
        counts, examples = total(counts, chunk.counts), examples + chunk.examples
        lengths.append(chunk.lengths)
    columns = dict.fromkeys(name for row in first if isinstance(row, Row) for name in row.columns)
    sample, bad = _first(first, recipe)
    return Look(counts, examples, np.concatenate(lengths), sample, bad, tuple(columns))


def _first(
    rows: Iterable[Row | BadRow], recipe: Recipe
) -> tuple[Sample | None, ConfigurationError | None]:
    """The first sample, and what is wrong with the first bad row."""
    sample: Sample | None = None
    bad: ConfigurationError | None = None
    for row in rows:
        try:
            example = example_of(row, recipe.data)
            if sample is None and not isinstance(example, LeftOut):
                sample = samples(example, recipe.encoder.template)[0]
        except ConfigurationError as unfit:
            bad = bad or unfit
    return sample, bad
