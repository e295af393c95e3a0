"""Rows to prompts and completions, and the split that never leaks."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.config import Data
from training.data import Example, read_examples, split, to_example
from training.errors import ConfigurationError
from training.instructions import base_texts, facts, instruction_rows


def _data(name: str = "builtin:instructions", **settings: object) -> Data:
    return Data.model_validate({"name": name, "template": "plain", **settings})


@given(st.integers(2, 400), st.integers(1, 399))
def test_the_split_loses_and_repeats_nothing(rows: int, held_out: int) -> None:
    examples = [Example(f"p{i}", f"c{i}") for i in range(rows)]
    if held_out >= rows:
        with pytest.raises(ConfigurationError, match="nothing is left"):
            split(examples, _data(held_out_rows=held_out))
        return
    parts = split(examples, _data(held_out_rows=held_out))
    assert len(parts.held_out) == held_out
    assert sorted(parts.train + parts.held_out, key=examples.index) == examples


def test_the_held_out_rows_are_spread_over_the_set() -> None:
    examples = [Example(f"p{i}", "c") for i in range(100)]
    held_out = split(examples, _data(held_out_rows=4)).held_out
    assert [e.prompt for e in held_out] == ["p0", "p25", "p50", "p75"]


def test_the_builtin_set_shares_no_question_between_its_parts() -> None:
    parts = read_examples(_data(held_out_rows=48))
    assert not {e.prompt for e in parts.train} & {e.prompt for e in parts.held_out}
    assert len(parts.train) + len(parts.held_out) == len(facts()) == 320


def test_the_builtin_answers_are_json_that_the_base_never_read() -> None:
    answers = [row["output"] for row in instruction_rows()]
    assert all(json.loads(answer)["answer"] for answer in answers)
    assert not any('{"answer"' in text for text in base_texts())


def test_rows_counts_training_rows() -> None:
    parts = read_examples(_data(rows=100, held_out_rows=20))
    assert (len(parts.train), len(parts.held_out)) == (100, 20)


def test_the_alpaca_prompts() -> None:
    row = {"instruction": "Add.", "input": "", "output": "3"}
    without = to_example(row, "alpaca", "row")
    assert without.prompt.endswith("### Instruction:\nAdd.\n\n### Response:\n")
    assert "Input" not in without.prompt
    with_input = to_example(row | {"input": "1, 2"}, "alpaca", "row")
    assert with_input.prompt.endswith("### Input:\n1, 2\n\n### Response:\n")
    assert to_example(row | {"input": "1, 2"}, "plain", "row") == Example("Add.\n1, 2\n", "3")


def test_braces_in_the_data_are_only_text() -> None:
    row = {"instruction": "Read {input} {0}", "output": "x"}
    assert "Read {input} {0}" in to_example(row, "alpaca", "row").prompt


def test_a_jsonl_file(tmp_path: Path) -> None:
    file = tmp_path / "mine.jsonl"
    file.write_text(
        '{"prompt": "a", "completion": "b"}\n\n{"instruction": "c", "output": "d", "id": 7}\n'
    )
    parts = read_examples(_data(str(file), held_out_rows=1))
    assert parts.held_out == (Example("a", "b"),)
    assert parts.train == (Example("c\n", "d"),)


@pytest.mark.parametrize(
    ("text", "code", "told"),
    [
        ('{"prompt": "a", "completion": "b"}\n{"prompt":', "data_invalid", "mine.jsonl:2"),
        ("[1]", "data_invalid", "mine.jsonl:1"),
        ('{"instruction": "a", "output": ""}', "data_invalid", "mine.jsonl:1"),
        ('{"instruction": "a", "output": 3}', "data_invalid", "output"),
        ('{"text": "a"}', "data_invalid", "instruction"),
        ('{"prompt": "a", "completion": "b"}', "data_too_small", "nothing is left"),
        (None, "data_unreadable", "mine.jsonl"),
    ],
)
def test_unusable_files_say_where_and_why(
    text: str | None, code: str, told: str, tmp_path: Path
) -> None:
    file = tmp_path / "mine.jsonl"
    if text is not None:
        file.write_text(text)
    with pytest.raises(ConfigurationError) as caught:
        read_examples(_data(str(file), held_out_rows=1))
    assert caught.value.code == code
    assert told in caught.value.message


def test_more_rows_than_there_are() -> None:
    with pytest.raises(ConfigurationError, match="320 rows"):
        read_examples(_data(rows=1000))
