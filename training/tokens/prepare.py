"""A data set in tokens: made once, and then found."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import reduce
from pathlib import Path

import numpy as np

from training.contract.config import Data
from training.contract.counts import DataCounts, sentence, total
from training.contract.errors import ConfigurationError, TrainingError
from training.rows.row import BadRow, Row
from training.texts.split import split
from training.tokens.chunk import Recipe
from training.tokens.shelf import Shelf
from training.tokens.store import Stored, read, write
from training.tokens.tokens import Sequences, TokenList
from training.tokens.workers import tokenised

FOLDER = "tokens"
"""In the cache."""
_TIMES = 3
"""Another process may put its own there in between."""


@dataclass(frozen=True)
class DataSet:
    """A data set in tokens."""

    stored: Stored
    reused: bool
    """It was there already."""


def data_set(
    key: str, recipe: Recipe, rows: Callable[[], Iterable[Row | BadRow]], cache: Path
) -> DataSet:
    """The data set of this key (`training/tokens/key.py`), from the cache or of these rows.

    Raises `ConfigurationError` for rows that cannot be used, and when nothing is left of them.
    """
    shelf = Shelf(cache / FOLDER)
    vocabulary = recipe.encoder.vocabulary
    for times in range(_TIMES):
        if (found := read(shelf.at(key), key, vocabulary)) is not None:
            shelf.tidy(key)
            return DataSet(found, reused=not times)
        counts = write(shelf, key, tokenised(rows(), recipe))
        if not counts.sequences:
            raise _too_small(f"no row has anything to learn: {sentence(counts)}", counts)
    raise TrainingError(
        "tokens_changed",
        f"{shelf.at(key)} is never as it was written a moment before",
        "Look at the disk of this node, and who else writes there.",
    )


def parts(stored: Sequence[Stored], data: Data, ranks: int) -> Sequences:
    """What to train on and what is held out: of one data set, by examples, so that all sequences of
    one are in one part; of two, the first and the second.

    Raises `ConfigurationError` when there is not a held-out sequence for every rank.
    """
    counts = reduce(total, (one.counts for one in stored))
    train, held_out = map(_all_of, stored) if len(stored) > 1 else _apart(stored[0], data)
    if not train or len(held_out) < ranks:
        raise _too_small(
            f"{len(train)} sequences to train on and {len(held_out)} held-out ones have anything "
            f"to learn; {ranks} ranks need one of each kind at least ({sentence(counts)})",
            counts,
        )
    return Sequences(train, held_out)


def _all_of(stored: Stored) -> TokenList:
    return TokenList(stored.words, stored.starts)


def _apart(stored: Stored, data: Data) -> tuple[TokenList, TokenList]:
    try:
        _, apart = split(range(stored.examples), data)
    except ConfigurationError as small:
        told = f"{small.message} ({sentence(stored.counts)})"
        raise ConfigurationError(small.code, told, small.remedy) from None
    held_out = np.isin(stored.owners, np.array(apart, np.int64))
    train, rest = (
        TokenList(stored.words, stored.starts, np.flatnonzero(chosen))
        for chosen in (~held_out, held_out)
    )
    return train, rest


def _too_small(problem: str, counts: DataCounts) -> ConfigurationError:
    remedy = "Raise data.held_out_rows or data.max_length."
    if counts.bad:
        remedy = "Mend the rows that are named. " + remedy
    return ConfigurationError("data_too_small", problem, remedy)
