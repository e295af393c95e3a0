"""A JSON document with rows in it: one array, an object around an array, objects in a row."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from training.contract.errors import ConfigurationError
from training.rows.json_text import (
    Broken,
    Placed,
    after_gap,
    elements,
    holds_half,
    may_hold_halves,
    member_at,
    values,
)
from training.rows.row import BadRow, Row

FORMS = "A row is a JSON object; a file has one in each line, or one array of them."


def document_rows(file: Path, text: str, start: int) -> Iterator[Row | BadRow]:
    """Rows of the text of a file that begins in its line `start`; each with its line."""
    halves = may_hold_halves(text)
    line, seen = start, 0
    try:
        for at, value in _placed(file, text):
            line += text.count("\n", seen, at)
            seen = at
            yield object_row(f"{file}:{line}", value, halves)
    except Broken as broken:
        line += text.count("\n", seen, broken.at)
        raise ConfigurationError("data_invalid", f"{file}:{line}: {broken.why}", FORMS) from None


def object_row(where: str, value: Any, halves: bool) -> Row | BadRow:
    """A value as a row; `halves`: whether half of a character may be in it."""
    if not isinstance(value, dict):
        return BadRow(where, "not a JSON object", FORMS)
    if halves and holds_half(value):
        return BadRow(where, "half of a character (such as \\ud83d alone) is in it")
    return Row(where, value)


def _placed(file: Path, text: str) -> Iterator[Placed]:
    begin = after_gap(text, 0)
    if text.startswith("[", begin):
        end = after_gap(text, (yield from elements(text, begin)))
        if end < len(text):
            raise Broken(end, "something follows the array")
        return
    found = list(values(text))
    if len(found) == 1 and isinstance(found[0][1], dict):
        key = _key_of_rows(file, found[0][1])
        if key is not None:
            yield from elements(text, member_at(text, begin, key))
            return
    yield from found


def _key_of_rows(file: Path, document: Mapping[str, Any]) -> str | None:
    """Which list of the only object of a file holds the rows; None: the object is a row itself.

    That it is, too, when one of its lists is the turns of a chat.
    """
    lists = {key: value for key, value in document.items() if _holds_objects(value)}
    if any(_are_turns(value) for value in lists.values()):
        return None
    if len(lists) > 1:
        raise ConfigurationError(
            "data_invalid",
            f"{file} has several lists of rows: {', '.join(map(str, lists))}",
            "Write each into a file of its own, and name one, or several as data.sources.",
        )
    empty = [key for key, value in document.items() if value == [] and len(document) == 1]
    return next(iter([*lists, *empty]), None)


def _holds_objects(value: Any) -> bool:
    return isinstance(value, list) and any(isinstance(one, dict) for one in value)


def _are_turns(value: list[Any]) -> bool:
    return all(isinstance(one, dict) and ("role" in one or "from" in one) for one in value)
