"""Rows of data as they are found: built in, in files on this node, or on the Hub. No torch.

Every row keeps the name of its place (`file:line`), so that errors can name it. Rows come one by
one: a file of many GB is not held in memory where its form allows that.
"""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from training.builtin.instructions import instruction_rows
from training.contract.config import Data
from training.contract.errors import ConfigurationError
from training.contract.names import source_of
from training.contract.source import Evaluation, Source
from training.rows.columns import chosen
from training.rows.files import rows_of_path
from training.rows.hub import rows_of_set
from training.rows.mix import mixed
from training.rows.row import BadRow, Row, ends_a_run

Found = Iterator[Row | BadRow]


def read_rows(data: Data, folder: Path) -> Found:
    """The rows to train on and, without `data.evaluation`, to hold out: in an order without chance.

    As many as `data.rows` and `data.held_out_rows` want, or all. A file of a relative name is in
    `folder`. Bad rows are among them with `on_bad_row: skip`, and do not count. Raises
    `ConfigurationError`: while it is iterated, and at its end when there are not so many.
    """
    apart = 0 if data.evaluation else data.held_out_rows
    wanted = None if data.rows is None else data.rows + apart
    streams = [
        (_at_most(_rows_of(source, folder), source.rows), source.share)
        for source in data.training_sources
    ]
    found = 0
    for row in _at_most(mixed(streams), wanted):
        found += isinstance(row, Row)
        yield _judged(row, data)
    if wanted is not None and found < wanted:
        asked = "data.rows wants" if data.evaluation else "data.rows and data.held_out_rows want"
        raise ConfigurationError(
            "data_too_small",
            f"{data.label} has {found} rows; {asked} {wanted}",
            "Lower data.rows (null takes all).",
        )


def read_evaluation(data: Data, folder: Path) -> Found:
    """The held-out rows of `data.evaluation`, `data.held_out_rows` at most; none without it."""
    if data.evaluation is not None:
        for row in _at_most(_rows_of(data.evaluation, folder), data.held_out_rows):
            yield _judged(row, data)


def _rows_of(place: Source | Evaluation, folder: Path) -> Found:
    """All rows of one source. Raises `ConfigurationError` when it has none."""
    match source_of(place.name):
        case "builtin":
            rows: Found = _numbered(place.name, instruction_rows())
        case "path":
            rows = rows_of_path(folder / place.name, folder, place.encoding)
        case "hub":
            rows = rows_of_set(place)
    empty = True
    for row in rows:
        empty = False
        yield chosen(row, place.columns)
    if empty:
        raise ConfigurationError(
            "data_too_small",
            f"{place.name} has 0 rows: it is empty, or nothing but blank lines",
            "Is it the right file? Was it copied to the end?",
        )


def _numbered(name: str, rows: Iterable[Mapping[str, Any]]) -> Iterator[Row]:
    return (Row(f"{name} row {number}", row) for number, row in enumerate(rows))


def _at_most(rows: Found, wanted: int | None) -> Found:
    """Rows until so many good ones are there; what follows them is not read."""
    left = wanted
    while left is None or left > 0:
        row = next(rows, None)
        if row is None:
            return
        yield row
        if left is not None and isinstance(row, Row):
            left -= 1


def _judged(row: Row | BadRow, data: Data) -> Row | BadRow:
    if isinstance(row, BadRow) and data.on_bad_row == "stop":
        raise ends_a_run(row.error())
    return row
