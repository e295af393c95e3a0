"""Files and rows to examples, mistakes told by their line, and the split that never leaks."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.examples import read_examples
from training.builtin.instructions import base_texts, facts, instruction_rows
from training.contract.config import Data
from training.contract.errors import ConfigurationError
from training.rows.row import Row
from training.texts.example import Chat, Example, LeftOut, Segment, Text
from training.texts.row_shapes import to_example
from training.texts.split import split


def _data(name: str = "builtin:instructions", **settings: object) -> Data:
    return Data.model_validate({"name": name, "template": "plain", **settings})


def _asked(where: str, prompt: str, completion: str) -> Text:
    return Text(where, (Segment(prompt, in_loss=False), Segment(completion, in_loss=True)))


_TURNS = ({"role": "user", "content": "a"}, {"role": "assistant", "content": "b"})


@given(st.integers(2, 400), st.integers(1, 399))
def test_the_split_loses_and_repeats_nothing(rows: int, held_out: int) -> None:
    if held_out >= rows:
        with pytest.raises(ConfigurationError, match="nothing is left"):
            split(range(rows), _data(held_out_rows=held_out))
        return
    train, apart = split(range(rows), _data(held_out_rows=held_out))
    assert len(apart) == held_out
    assert sorted(train + apart) == list(range(rows))


def test_the_held_out_rows_are_spread_over_the_set() -> None:
    assert split(range(100), _data(held_out_rows=4))[1] == (0, 25, 50, 75)


def test_the_builtin_set_shares_no_question_between_its_parts() -> None:
    parts = read_examples(_data(held_out_rows=48))
    train, held_out = ({_prompt(e) for e in part} for part in (parts.train, parts.held_out))
    assert not train & held_out
    assert len(train) + len(held_out) == len(facts()) == 320


def _prompt(example: Example | LeftOut) -> str:
    assert isinstance(example, Text)
    return example.segments[0].text


def test_the_builtin_answers_are_json_that_the_base_never_read() -> None:
    answers = [row["output"] for row in instruction_rows()]
    assert all(json.loads(answer)["answer"] for answer in answers)
    assert not any('{"answer"' in text for text in base_texts())


def test_rows_counts_training_rows() -> None:
    parts = read_examples(_data(rows=100, held_out_rows=20))
    assert (len(parts.train), len(parts.held_out)) == (100, 20)


def test_the_alpaca_prompts() -> None:
    row = Row("here", {"instruction": "Add.", "input": "", "output": "3"})
    given_two = Row("here", {**row.columns, "input": "1, 2"})
    without = _prompt(to_example(row, "alpaca"))
    assert without.endswith("### Instruction:\nAdd.\n\n### Response:\n")
    assert "Input" not in without
    assert _prompt(to_example(given_two, "alpaca")).endswith("### Input:\n1, 2\n\n### Response:\n")
    assert to_example(given_two, "plain") == _asked("here", "Add.\n1, 2\n", "3")
    turns = ({"role": "user", "content": "Add.\n1, 2"}, {"role": "assistant", "content": "3"})
    assert to_example(given_two, "chat") == Chat("here", turns)


def test_rows_with_nothing_to_learn_are_left_out(tmp_path: Path) -> None:
    file = tmp_path / "mine.jsonl"
    file.write_text('{"text": "a"}\n{"text": ""}\n{"text": "b"}\n')
    parts = read_examples(_data(str(file), held_out_rows=1))
    assert [part[0].where for part in (parts.held_out, parts.train)] == [f"{file}:1", f"{file}:3"]


def test_braces_in_the_data_are_only_text() -> None:
    row = Row("here", {"instruction": "Read {input} {0}", "output": "x"})
    assert "Read {input} {0}" in _prompt(to_example(row, "alpaca"))


CHAT = {"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]}


def test_a_jsonl_file_may_mix_all_shapes(tmp_path: Path) -> None:
    file = tmp_path / "mine.jsonl"
    rows = [
        '{"prompt": "a", "completion": "b\u2028c"}',
        "",
        '{"instruction": "c", "output": "d", "id": 7}\r',
        '{"text": "e"}',
        json.dumps(CHAT),
    ]
    file.write_text("\n".join(rows), encoding="utf-8")
    parts = read_examples(_data(str(file), held_out_rows=1))
    assert parts.held_out == (_asked(f"{file}:1", "a", "b\u2028c"),)
    assert parts.train == (
        _asked(f"{file}:3", "c\n", "d"),
        Text(f"{file}:4", (Segment("e", in_loss=True),)),
        Chat(
            f"{file}:5", ({"role": "user", "content": "a"}, {"role": "assistant", "content": "b"})
        ),
    )


def test_a_json_file_is_an_array(tmp_path: Path) -> None:
    file = tmp_path / "mine.json"
    rows = [{"text": "a]\n,"}, {"text": "b"}, {"text": "c"}]
    for indent, lines in ((None, (1, 1, 1)), (2, (2, 5, 8))):
        file.write_text("\ufeff" + json.dumps(rows, indent=indent) + "\n", encoding="utf-8")
        parts = read_examples(_data(str(file), held_out_rows=1))
        told = [example.where for example in parts.held_out + parts.train]
        assert told == [f"{file}:{line}" for line in lines]


def test_a_text_file_has_a_text_in_every_line(tmp_path: Path) -> None:
    file = tmp_path / "mine.txt"
    file.write_text("one\n\n two \n")
    parts = read_examples(_data(str(file), held_out_rows=1))
    assert parts.held_out == (Text(f"{file}:1", (Segment("one", in_loss=True),)),)
    assert parts.train == (Text(f"{file}:3", (Segment(" two ", in_loss=True),)),)


@pytest.mark.parametrize(
    ("name", "text", "code", "told"),
    [
        ("a.jsonl", '{"text": "b"}\n{"text":', "data_invalid", "a.jsonl:2"),
        ("a.jsonl", "[1]", "data_invalid", "a.jsonl:1"),
        ("a.jsonl", '{"instruction": "a", "output": 3}', "data_invalid", "a.jsonl:1: output"),
        ("a.jsonl", '{"text": ""}', "data_too_small", "0 rows"),
        ("a.jsonl", '{"prompt": "a", "completion": "b"}', "data_too_small", "nothing is left"),
        ("a.jsonl", None, "data_unreadable", "a.jsonl"),
        ("a.json", '[{"text": "b"},\n{"text": 1}]', "data_invalid", "a.json:2: text"),
        ("a.json", "[ ]", "data_too_small", "0 rows"),
    ],
)
def test_unusable_files_say_where_and_why(
    name: str, text: str | None, code: str, told: str, tmp_path: Path
) -> None:
    file = tmp_path / name
    if text is not None:
        file.write_text(text)
    with pytest.raises(ConfigurationError) as caught:
        read_examples(_data(str(file), held_out_rows=1))
    assert caught.value.code == code
    assert told in caught.value.message


def test_a_relative_name_is_a_file_of_the_data_folder(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "a.txt").write_text("one\ntwo\n")
    parts = read_examples(_data("mine/a.txt", held_out_rows=1), tmp_path)
    assert len(parts.train) == len(parts.held_out) == 1


@pytest.mark.parametrize("name", ["/sparkctl/cache/mine.jsonl", "mine.jsonl"])
def test_a_file_that_is_not_there_is_told_its_place(name: str) -> None:
    """In the cache, where it could be once, no run sees it any more."""
    with pytest.raises(ConfigurationError) as caught:
        read_examples(_data(name), Path("/sparkctl/data"))
    assert caught.value.code == "data_unreadable"
    remedy = str(caught.value.remedy)
    assert "paths.data" in remedy
    assert "/sparkctl/data/mine.jsonl" in remedy
    assert "paths.cache" in remedy


def test_more_rows_than_there_are() -> None:
    with pytest.raises(ConfigurationError, match="320 rows"):
        read_examples(_data(rows=1000))
