"""Columns under our names, and what is said of one that is not there."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.training.rows.written import lines, put, read
from training.contract.errors import ConfigurationError
from training.rows.columns import chosen
from training.rows.row import BadRow, Row

SQUAD = {
    "title": "Normans",
    "question": "Who?",
    "answers": {"text": ["the Normans"], "answer_start": [159]},
    "a.b": "with a dot",
    "a": {"b": "inside"},
    "turns": [{"text": "hi"}],
}


@pytest.mark.parametrize(
    ("theirs", "value"),
    [
        ("question", "Who?"),
        ("answers.text.0", "the Normans"),
        ("answers", SQUAD["answers"]),
        ("answers.answer_start.0", 159),
        ("a.b", "with a dot"),
        ("turns.0.text", "hi"),
    ],
)
def test_a_name_reaches_inside(theirs: str, value: object) -> None:
    row = chosen(Row("here", SQUAD), {"output": theirs})
    assert row == Row("here", {"output": value})


@pytest.mark.parametrize(
    ("theirs", "why"),
    [
        ("article", "there is no column article; its columns are title, question, answers, a.b, a"),
        ("answers.texts.0", "no column answers.texts.0; answers has text, answer_start"),
        ("answers.text.1", "no column answers.text.1; answers.text is a list of 1"),
        ("answers.text.-1", "answers.text is a list of 1"),
        ("answers.text.x", "answers.text is a list of 1"),
        ("answers.text." + "9" * 5000, "answers.text is a list of 1"),
        ("title.0", "no column title.0; title has nothing inside"),
        (".", "no column .; its columns are title"),
    ],
)
def test_what_is_not_there_is_told_with_what_is(theirs: str, why: str) -> None:
    row = chosen(Row("here", SQUAD), {"prompt": "question", "output": theirs})
    assert isinstance(row, BadRow)
    assert why in row.why
    assert "data.columns" in row.remedy


@pytest.mark.parametrize(
    ("row", "shown"),
    [({}, "its columns are none"), ({str(n): n for n in range(40)}, "9, 10, 11, …")],
)
def test_many_columns_and_none(row: Mapping[str, Any], shown: str) -> None:
    bad = chosen(Row("here", row), {"prompt": "x"})
    assert isinstance(bad, BadRow)
    assert shown in bad.why


def test_without_columns_a_row_is_as_it_is() -> None:
    assert chosen(Row("here", SQUAD), {}) == Row("here", SQUAD)
    assert chosen(BadRow("here", "bad"), {"a": "b"}) == BadRow("here", "bad")


def test_a_row_that_lacks_one_is_named_by_its_line(tmp_path: Path) -> None:
    file = put(tmp_path, "a.jsonl", lines([SQUAD, {"question": "Who?"}]))
    with pytest.raises(ConfigurationError) as told:
        read(tmp_path, "a.jsonl", columns={"text": "title"})
    assert told.value.message == f"{file}:2: there is no column title; its columns are question"
    kinds = read(tmp_path, "a.jsonl", columns={"text": "title"}, on_bad_row="skip")
    assert [type(row) for row in kinds] == [Row, BadRow]
