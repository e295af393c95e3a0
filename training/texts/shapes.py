"""A data set in examples, and its two parts. No torch."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from training.contract.config import Data
from training.contract.errors import ConfigurationError
from training.rows.read import read_evaluation, read_rows
from training.rows.row import BadRow, Row
from training.texts.example import Example, LeftOut
from training.texts.row_shapes import to_example

__all__ = ["Examples", "read_examples", "split", "to_example"]

T = TypeVar("T")


@dataclass(frozen=True)
class Examples:
    """The two parts of a dataset; no row is in both."""

    train: tuple[Example, ...]
    held_out: tuple[Example, ...]


def read_examples(data: Data, folder: Path = Path()) -> Examples:
    """Read, format and split the data; a file of a relative name is in `folder`.

    Raises `ConfigurationError` for data that cannot be used.
    """
    examples = _examples(read_rows(data, folder), data)
    if data.evaluation is not None:
        return Examples(examples, _examples(read_evaluation(data, folder), data))
    train, held_out = split(examples, data)
    return Examples(train, held_out)


def _examples(rows: Iterable[Row | BadRow], data: Data) -> tuple[Example, ...]:
    found = [to_example(row, data.template) for row in rows if isinstance(row, Row)]
    return tuple(example for example in found if not isinstance(example, LeftOut))


def split(examples: Sequence[T], data: Data) -> tuple[tuple[T, ...], tuple[T, ...]]:
    """Set `held_out_rows` apart, evenly spaced: sorted files give a fair sample, without chance."""
    if len(examples) <= data.held_out_rows:
        raise ConfigurationError(
            "data_too_small",
            f"{data.label} has {len(examples)} rows, of which {data.held_out_rows} are held out: "
            "nothing is left to train on",
            "Lower data.held_out_rows or use more data.",
        )
    apart = {i * len(examples) // data.held_out_rows for i in range(data.held_out_rows)}
    return (
        tuple(e for i, e in enumerate(examples) if i not in apart),
        tuple(e for i, e in enumerate(examples) if i in apart),
    )
