"""Rows of data as they are found: built in, in a file on this node, or on the Hub. No torch.

Every row keeps the name of its place (`file:line`), so that errors can name it.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

from training.builtin.instructions import instruction_rows
from training.contract.config import Data
from training.contract.errors import ConfigurationError
from training.contract.names import source_of
from training.rows.missing import hub_errors, where_it_belongs
from training.rows.row import Row

_GAP = re.compile(r"\s*")


def read_rows(data: Data, wanted: int | None, folder: Path) -> list[Row]:
    """The first `wanted` rows, or all; a file of a relative name is in `folder`.

    Raises `ConfigurationError` when there are not so many.
    """
    match source_of(data.name):
        case "builtin":
            rows = _numbered(data.name, instruction_rows())
        case "path":
            rows = _read_file(folder / data.name, folder)
        case "hub":
            rows = _numbered(data.name, _fetch(data, wanted))
    found = list(islice(rows, wanted))
    if wanted is not None and len(found) < wanted:
        raise ConfigurationError(
            "data_too_small",
            f"{data.name} has {len(found)} rows; data.rows and data.held_out_rows want {wanted}",
            "Lower data.rows (null takes all).",
        )
    return found


def _numbered(name: str, rows: Iterable[Mapping[str, Any]]) -> Iterator[Row]:
    return (Row(f"{name} row {number}", row) for number, row in enumerate(rows))


def _read_file(file: Path, folder: Path) -> Iterator[Row]:
    try:
        text = file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as unreadable:
        raise ConfigurationError(
            "data_unreadable", f"{file}: {unreadable}", where_it_belongs(file, folder)
        ) from None
    match file.suffix:
        case ".txt":
            return (Row(where, {"text": line}) for where, line in _lines(file, text))
        case ".json":
            found = _json_array(file, text)
        case _:
            found = ((where, _json(where, line)) for where, line in _lines(file, text))
    return (Row(where, _an_object(where, value)) for where, value in found)


def _lines(file: Path, text: str) -> Iterator[tuple[str, str]]:
    """Lines that are not empty. Not by `splitlines`: U+2028 may stand inside a JSON string."""
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            yield f"{file}:{number}", line.rstrip("\r")


def _json(where: str, line: str) -> Any:
    try:
        return json.loads(line)
    except json.JSONDecodeError as broken:
        raise ConfigurationError("data_invalid", f"{where}: {broken}") from None


def _json_array(file: Path, text: str) -> Iterator[tuple[str, Any]]:
    """The elements of one JSON array, each with the line that it begins on."""
    decoder, at, line, expected = json.JSONDecoder(), 0, 1, "["
    while True:
        position = _after_gap(text, at)
        line += text.count("\n", at, position)
        found = text[position : position + 1]
        if not found or found not in expected:
            raise ConfigurationError(
                "data_invalid",
                f"{file}:{line}: expected {' or '.join(expected)}, found {found or 'the end'}",
                "A .json file holds one array of objects; one object per line is .jsonl.",
            )
        start = _after_gap(text, position + 1)
        if found == "]" or (found == "[" and text[start : start + 1] == "]"):
            return
        line += text.count("\n", position, start)
        try:
            value, at = decoder.raw_decode(text, start)
        except json.JSONDecodeError as broken:
            raise ConfigurationError("data_invalid", f"{file}:{broken.lineno}: {broken}") from None
        yield f"{file}:{line}", value
        line += text.count("\n", start, at)
        expected = ",]"


def _after_gap(text: str, at: int) -> int:
    gap = _GAP.match(text, at)
    return gap.end() if gap else at


def _an_object(where: str, value: Any) -> Mapping[str, Any]:
    if isinstance(value, dict):
        return value
    raise ConfigurationError("data_invalid", f"{where}: not a JSON object")


def _fetch(data: Data, wanted: int | None) -> Iterable[Mapping[str, Any]]:
    import datasets

    datasets.disable_progress_bars()
    part = data.split if wanted is None else f"{data.split}[:{wanted}]"
    with hub_errors(data.name):
        try:
            rows: Iterable[Mapping[str, Any]] = datasets.load_dataset(
                data.name, revision=data.revision, split=part
            )
        except ValueError as unknown:  # a split or a configuration that the dataset has not
            raise ConfigurationError("data_invalid", f"{data.name}: {unknown}") from None
    return rows
