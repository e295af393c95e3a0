"""CSV and TSV: a header with the names of the columns, then a row in each line, quoted or not."""

import csv
from collections.abc import Iterable, Iterator
from pathlib import Path

from training.contract.errors import ConfigurationError
from training.rows.row import BadRow, Row

_DELIMITERS = ",;\t|"
_LONGEST_FIELD = 2**31 - 1  # of characters; the csv module's own limit is 128 K
_QUOTES = 'A field with a comma, quote or line end in it stands in "quotes", a quote inside twice.'


def table_rows(file: Path, lines: Iterable[str], usual: str) -> Iterator[Row | BadRow]:
    """Rows of text fields. `usual` is the delimiter, if the header has it: some write `;`."""
    csv.field_size_limit(_LONGEST_FIELD)
    ahead = iter(lines)
    skipped, first = 0, ""
    for first in ahead:
        if first.strip():
            break
        skipped += 1
    reader = csv.reader(_again(first, ahead), delimiter=_delimiter(first, usual), strict=True)
    header: list[str] | None = None
    while True:
        where = f"{file}:{skipped + reader.line_num + 1}"
        try:
            fields = next(reader, None)
        except csv.Error as broken:
            if header is None:
                raise BadRow(where, f"its header: {broken}", _QUOTES).error() from None
            yield BadRow(where, str(broken), _QUOTES)
            continue
        if fields is None:
            return
        if not fields or fields == [""]:
            continue
        if header is None:
            header = _header(where, fields)
        else:
            yield _row(where, header, fields)


def _again(first: str, rest: Iterator[str]) -> Iterator[str]:
    yield first
    yield from rest


def _delimiter(header: str, usual: str) -> str:
    others = [one for one in _DELIMITERS if one in header]
    return usual if usual in header or not others else others[0]


def _header(where: str, fields: list[str]) -> list[str]:
    names = [field.strip() for field in fields]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ConfigurationError(
            "data_invalid",
            f"{where}: its header names {', '.join(twice)} twice",
            "Its first line holds the names of the columns, each once.",
        )
    return names


def _row(where: str, header: list[str], fields: list[str]) -> Row | BadRow:
    if len(fields) != len(header):
        return BadRow(where, f"{len(fields)} fields, where the header names {len(header)}", _QUOTES)
    if any("\0" in field for field in fields):
        return BadRow(where, "there are zero bytes in it: the file is damaged, or no text")
    return Row(where, dict(zip(header, fields, strict=True)))
