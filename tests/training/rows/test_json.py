"""JSON in every form, and torn in every way."""

import io
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, cast

from hypothesis import example, given
from hypothesis import strategies as st

from tests.training.rows.written import columns
from training.contract.errors import ConfigurationError
from training.rows.json_file import json_rows
from training.rows.lines import lines_of

SCALARS = st.none() | st.booleans() | st.integers() | st.text(max_size=5)
INSIDE = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=3), max_leaves=5)
ROWS = st.lists(
    st.dictionaries(st.text(max_size=3), INSIDE, min_size=1, max_size=3), min_size=1, max_size=5
)
BLANKS = st.sampled_from(["", " ", "\n", "\r\n", "\n\n", "\t"])

Row = dict[str, Any]


def spread(text: str, blanks: Callable[[], str]) -> str:
    """Blanks between its tokens."""
    out, inside, escaped = [], False, False
    for letter in text:
        if inside:
            out.append(letter)
            inside, escaped = letter != '"' or escaped, letter == "\\" and not escaped
        elif letter in "[]{},:":
            out += [blanks(), letter, blanks()]
        elif letter != " ":
            out.append(letter)
            inside, escaped = letter == '"', False
    return "".join(out)


def lines_of_text(text: str) -> list[str]:
    """As a file gives them: U+2028 ends none."""
    return text.replace("\r\n", "\n").replace("\n", "\n\0").split("\0")


def rows_in(text: str, name: str) -> list[Any]:
    return columns(list(json_rows(Path(name), lines_of_text(text))))


@given(ROWS, st.booleans(), st.sampled_from(["a.json", "a.jsonl", "a"]), st.sampled_from("\n\r "))
def test_a_row_in_each_line(rows: list[Row], ascii_: bool, name: str, blank: str) -> None:
    end = "\n" + blank * 2
    text = "".join(json.dumps(row, ensure_ascii=ascii_) + end for row in rows)
    if len(rows) > 1 or name == "a.jsonl":
        assert rows_in(text, name) == rows


@given(ROWS, st.data(), st.booleans(), st.sampled_from(["a.json", "a.jsonl"]))
def test_an_array_wherever_its_lines_end(
    rows: list[Row], data: st.DataObject, ascii_: bool, name: str
) -> None:
    text = spread(json.dumps(rows, ensure_ascii=ascii_), lambda: data.draw(BLANKS))
    assert rows_in(text, name) == rows


@given(ROWS, st.data(), st.booleans())
def test_an_array_inside_an_object(rows: list[Row], data: st.DataObject, ascii_: bool) -> None:
    document = {"version": [1], "rows": rows, "end": {"a": [{"b": 1}]}}
    text = spread(json.dumps(document, ensure_ascii=ascii_), lambda: data.draw(BLANKS))
    assert rows_in(text, "a.json") == rows


@given(ROWS, st.booleans(), st.integers(0, 2))
def test_objects_over_several_lines(rows: list[Row], ascii_: bool, indent: int) -> None:
    text = "\n".join(json.dumps(row, ensure_ascii=ascii_, indent=indent) for row in rows)
    if len(rows) > 1:
        assert rows_in(text, "a.json") == rows


WHOLE: Sequence[bytes] = [
    b'{"a": "b"}\n{"a": [1, {"c": null}]}\n',
    b'[{"a": "\\u00e9"}, {"a": 1.5e3}]',
    b'{"v": 1, "data": [{"a": "b"},\n {"a": "\\ud83d\\ude00"}]}',
]


@given(
    st.sampled_from(WHOLE),
    st.lists(st.tuples(st.integers(0, 60), st.binary(min_size=1, max_size=3)), max_size=4),
    st.integers(0, 60),
    st.sampled_from(["a.json", "a.jsonl"]),
)
@example(b"", [], 0, "a.json")
@example(b"[" * 100_000, [], 60_000, "a.json")
@example(b'{"a":' * 100_000, [], 500_000, "a.json")
@example(b'{"data": 1, "data": [{"a": 1}]}', [], 60, "a.json")
@example(b'{"data": [{"a": 1}], "data": 1}', [], 60, "a.json")
def test_torn_bytes_are_told(
    whole: bytes, torn: list[tuple[int, bytes]], end: int, name: str
) -> None:
    changed = bytearray(whole)
    for at, new in torn:
        changed[at : at + len(new)] = new
    stream = cast("io.BufferedReader", io.BufferedReader(io.BytesIO(bytes(changed[: end + 3]))))
    try:
        list(json_rows(Path(name), lines_of(Path(name), stream, None)))
    except ConfigurationError as told:
        assert told.message.startswith(f"{name}:")
