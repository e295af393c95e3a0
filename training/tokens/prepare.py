"""A data set in tokens: made once, and then found."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from training.contract.config import Data
from training.contract.counts import DataCounts, sentence
from training.contract.errors import ConfigurationError, TrainingError
from training.rows.row import BadRow, Row
from training.texts.shapes import split
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


def parts(stored: Stored, data: Data, ranks: int) -> Sequences:
    """What to train on and what is held out, by examples: all sequences of one are in one part.

    Raises `ConfigurationError` when there is not a held-out sequence for every rank.
    """
    try:
        _, apart = split(range(stored.examples), data)
    except ConfigurationError as small:
        told = f"{small.message} ({sentence(stored.counts)})"
        raise ConfigurationError(small.code, told, small.remedy) from None
    held_out = np.isin(stored.owners, np.array(apart, np.int64))
    train_list, held_out_list = (
        TokenList(stored.words, stored.starts, np.flatnonzero(chosen))
        for chosen in (~held_out, held_out)
    )
    if not train_list or len(held_out_list) < ranks:
        raise _too_small(
            f"{len(train_list)} sequences to train on and {len(held_out_list)} held-out ones have "
            f"anything to learn; {ranks} ranks need one of each kind at least "
            f"({sentence(stored.counts)})",
            stored.counts,
        )
    return Sequences(train_list, held_out_list)


def _too_small(problem: str, counts: DataCounts) -> ConfigurationError:
    remedy = "Raise data.held_out_rows or data.max_length."
    if counts.bad:
        remedy = "Mend the rows that are named. " + remedy
    return ConfigurationError("data_too_small", problem, remedy)
