"""JSON in a text, value by value, with the place of each. Pure."""

import json
import re
from collections.abc import Generator, Iterator
from typing import Any

_DECODER = json.JSONDecoder()
_GAP = re.compile(r"[ \t\r\n]*")
_HALF = re.compile(r"\\u[dD][89a-fA-F]")
_LOOK_BACK = 80


class Broken(Exception):
    """It is no JSON from `at` on, an index into the text."""

    def __init__(self, at: int, why: str) -> None:
        super().__init__(at, why)
        self.at = at
        self.why = why


Placed = tuple[int, Any]
"""A value, and where it begins."""


def values(text: str) -> Iterator[Placed]:
    """All values of a text, one after the other, with blanks between them or none."""
    at = after_gap(text, 0)
    while at < len(text):
        value, end = _value(text, at)
        yield at, value
        at = after_gap(text, end)


def elements(text: str, at: int) -> Generator[Placed, None, int]:
    """The elements of the array that begins at `at`; returns where it ends."""
    expected = "["
    while True:
        at = after_gap(text, at)
        found = text[at : at + 1]
        if not found or found not in expected:
            raise Broken(at, f"expected {' or '.join(expected)}, found {found or 'the end'}")
        start = after_gap(text, at + 1)
        if found == "]" or (found == "[" and text[start : start + 1] == "]"):
            return at + 1 if found == "]" else start + 1
        value, at = _value(text, start)
        yield start, value
        expected = ",]"


def member_at(text: str, at: int, wanted: str) -> int:
    """Where the value of the key `wanted` begins in the (valid) object that begins at `at`."""
    while True:
        key, at = _value(text, after_gap(text, at + 1))
        at = after_gap(text, after_gap(text, at) + 1)
        if key == wanted:
            return at
        at = after_gap(text, _value(text, at)[1])


def is_unfinished(text: str) -> bool:
    """Whether more text could complete it: it ends where a value still lacks something."""
    text = text.strip()
    try:
        for _ in values(text):
            pass
    except Broken as broken:
        return broken.at >= len(text)
    return False


def after_gap(text: str, at: int) -> int:
    """The first index from `at` on that is no blank."""
    gap = _GAP.match(text, at)
    return gap.end() if gap else at


def may_hold_halves(text: str) -> bool:
    """Whether some escape in it is half of a character: then its values are worth a look."""
    return _HALF.search(text) is not None


def holds_half(value: Any) -> bool:
    r"""Whether half of a character (`\ud83d` alone) is in it: no tokenizer takes that."""
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return True
    return False


def _value(text: str, at: int) -> tuple[Any, int]:
    try:
        return _DECODER.raw_decode(text, at)
    except json.JSONDecodeError as broken:
        raise Broken(broken.pos, _words(text, broken)) from None
    except RecursionError:
        raise Broken(at, "it is nested too deeply") from None
    except ValueError as broken:  # a number of thousands of digits
        raise Broken(at, str(broken)) from None


def _words(text: str, broken: json.JSONDecodeError) -> str:
    """Python says of a trailing comma, before 3.13, that something else is expected."""
    around = text[max(0, broken.pos - _LOOK_BACK) : broken.pos].rstrip()
    closing = text[broken.pos : broken.pos + 1]
    if closing == ",":
        around, closing = ",", text[after_gap(text, broken.pos + 1) :][:1]
    if around.endswith(",") and closing and closing in "]}":
        return f"a comma before {closing}: remove it"
    return broken.msg
