"""Shapes that many values have, from the bytes that a machine printed."""

import json
from collections.abc import Mapping
from typing import Any


def text(raw: bytes) -> str:
    """One byte that is no UTF-8 is no reason to understand nothing."""
    return raw.decode(errors="replace").strip()


def lines(raw: bytes) -> list[str]:
    """The lines that are not blank."""
    return [line for line in text(raw).splitlines() if line.strip()]


def pairs(raw: bytes) -> dict[str, str]:
    """Lines `key value`; a value may have blanks. Raises ValueError for a line of one word."""
    return dict(line.split(" ", 1) for line in lines(raw))


def as_pairs(values: Mapping[str, object]) -> str:
    """The lines that `pairs` reads."""
    return "".join(f"{key} {value}\n" for key, value in values.items())


def json_lines(raw: bytes) -> tuple[Mapping[str, Any], ...]:
    """A JSON value in each line."""
    return tuple(json.loads(line) for line in lines(raw))
