"""Columns under our names: `data.columns`."""

import re
from collections.abc import Mapping
from typing import Any

from training.rows.row import BadRow, Row

_SHOWN = 12
_INDEX = re.compile(r"[0-9]{1,9}")


def chosen(row: Row | BadRow, columns: Mapping[str, str]) -> Row | BadRow:
    """A row with the columns that `columns` names (ours -> theirs), or as it is without any."""
    if isinstance(row, BadRow) or not columns:
        return row
    values = {}
    for ours, theirs in columns.items():
        try:
            values[ours] = _value(row.columns, theirs)
        except LookupError as missing:
            return BadRow(
                row.where,
                str(missing.args[0]),
                "data.columns maps our names to columns that every row has; a dot reaches inside: "
                "answers.text.0",
            )
    return Row(row.where, values)


def _value(columns: Mapping[str, Any], name: str) -> Any:
    """A column, or what a dotted name reaches. Raises LookupError that says what is there."""
    if name in columns:
        return columns[name]
    value: Any = columns
    reached: list[str] = []
    for part in name.split("."):
        match value:
            case Mapping() if part in value:
                value = value[part]
            case list() if _INDEX.fullmatch(part) and int(part) < len(value):
                value = value[int(part)]
            case _:
                raise LookupError(_missing(name, ".".join(reached), value))
        reached.append(part)
    return value


def _missing(name: str, reached: str, value: Any) -> str:
    place = f"{reached} has" if reached else "its columns are"
    match value:
        case Mapping():
            names = [str(key) for key in value]
            there = ", ".join(names[:_SHOWN]) + (", …" if len(names) > _SHOWN else "")
            return f"there is no column {name}; {place} {there or 'none'}"
        case list():
            return f"there is no column {name}; {reached} is a list of {len(value)}"
    return f"there is no column {name}; {reached} has nothing inside"
