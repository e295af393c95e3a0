"""A data set in examples, as its rows say them."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from training.contract.config import Data
from training.rows.read import read_evaluation, read_rows
from training.rows.row import BadRow, Row
from training.texts.example import Example, LeftOut
from training.texts.row_shapes import to_example
from training.texts.split import split


@dataclass(frozen=True)
class Examples:
    """The two parts of a dataset; no row is in both."""

    train: tuple[Example, ...]
    held_out: tuple[Example, ...]


def read_examples(data: Data, folder: Path = Path()) -> Examples:
    """Read and split the data; a file of a relative name is in `folder`."""
    examples = _examples(read_rows(data, folder), data)
    if data.evaluation is not None:
        return Examples(examples, _examples(read_evaluation(data, folder), data))
    train, held_out = split(examples, data)
    return Examples(train, held_out)


def _examples(rows: Iterable[Row | BadRow], data: Data) -> tuple[Example, ...]:
    found = [to_example(row, data.template) for row in rows if isinstance(row, Row)]
    return tuple(example for example in found if not isinstance(example, LeftOut))
