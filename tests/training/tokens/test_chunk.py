"""What becomes of rows, and that all of it is counted."""

from itertools import islice
from typing import Any

import pytest

from tests.support.tokens import END, letters
from training.contract.config import Data
from training.contract.counts import PLACES, DataCounts, sentence, total
from training.contract.errors import ConfigurationError
from training.rows.row import BadRow, Row
from training.texts.example import LeftOut, Sample, Segment
from training.tokens import chunk
from training.tokens.chunk import Chunk, Recipe, tokenise
from training.tokens.tokens import LEARNED


def tokenised(
    *rows: dict[str, Any] | BadRow, begin: bool = False, max_length: int = 16, **data: Any
) -> Chunk:
    numbered = [
        row if isinstance(row, BadRow) else Row(f"mine.jsonl:{number}", row)
        for number, row in enumerate(rows, start=1)
    ]
    settings = Data(name="mine.jsonl", template="plain", max_length=max_length, **data)
    return tokenise(numbered, Recipe(settings, letters(begin=begin)))


def texts(made: Chunk) -> list[str]:
    """Each sequence; what is learned in capitals, the end as `$`, a beginning as `^`."""
    written = iter(map(_written, made.words.tolist()))
    return ["".join(islice(written, length)) for length in made.lengths.tolist()]


def _written(word: int) -> str:
    token, learned = word & 127, word >= LEARNED
    text = {0: "^", END: "$"}.get(token, chr(token))
    return text.upper() if learned else text


def asked(prompt: str, completion: str) -> dict[str, Any]:
    return {"prompt": prompt, "completion": completion}


def chat(*contents: str) -> dict[str, Any]:
    roles = ("user", "assistant") * len(contents)
    turns = [{"role": r, "content": c} for r, c in zip(roles, contents, strict=False)]
    return {"messages": turns}


def test_sequences_lie_one_after_the_other_with_their_examples() -> None:
    made = tokenised(asked("a", "b"), chat("x", "y"), {"text": "cde"})
    assert texts(made) == ["aB$", "u:x;a:Y;", "CDE$"]
    assert (made.owners.tolist(), made.examples) == ([0, 1, 2], 3)
    assert made.counts == DataCounts(
        rows=3, sequences=3, tokens=15, learned=2 + 2 + 4, longest=8
    )  # fmt: skip


@pytest.mark.parametrize(
    ("row", "kept", "cut", "endless", "left_out"),
    [
        (asked("a" * 7, "b" * 8), ["a" * 7 + "B" * 8 + "$"], 0, 0, {}),
        (asked("a" * 7, "b" * 9), ["a" * 7 + "B" * 9], 1, 1, {}),
        (asked("a" * 15, "b" * 9), ["a" * 15 + "B"], 1, 1, {}),
        (asked("a" * 16, "b" * 9), [], 1, 0, {chunk.NOTHING_LEARNED: 1}),
        (chat("x", "y", "z" * 20, "w"), ["u:x;a:Y;u:zzzzzz"], 1, 0, {}),
    ],
)
def test_what_is_longer_is_cut_and_counted(
    row: dict[str, Any], kept: list[str], cut: int, endless: int, left_out: dict[str, int]
) -> None:
    made = tokenised(row)
    assert texts(made) == kept
    counts = made.counts
    assert (counts.cut, counts.endless, counts.left_out) == (cut, endless, left_out)


def test_what_is_longer_can_be_left_out() -> None:
    made = tokenised(asked("a" * 7, "b" * 9), asked("a", "b"), over_long="drop")
    assert texts(made) == ["aB$"]
    assert (made.counts.cut, made.counts.left_out) == (0, {chunk.TOO_LONG: 1})
    assert made.owners.tolist() == [1]


@pytest.mark.parametrize("drop", [{}, {"over_long": "drop"}])
@pytest.mark.parametrize("begin", [False, True])
@pytest.mark.parametrize("length", [7, 8, 15, 16, 17, 31, 32, 33, 100])
def test_a_long_text_becomes_several_sequences(
    length: int, begin: bool, drop: dict[str, Any]
) -> None:
    text = ("abcdefghij" * 10)[:length]
    made = tokenised({"text": text}, begin=begin, max_length=16, **drop)
    room, mark = (15, "^") if begin else (16, "")
    pieces = texts(made)
    assert len(pieces) == -(-(length + 1) // room)
    assert all(piece.startswith(mark) and 2 <= len(piece) <= 16 for piece in pieces)
    assert "".join(piece.removeprefix(mark) for piece in pieces) == text.upper() + "$"
    assert set(made.owners.tolist()) == {0}
    assert (made.counts.cut, made.counts.left_out) == (0, {})


def test_bad_rows_stop_or_are_skipped() -> None:
    rows = [{"prompt": 1, "completion": "b"}, asked("a", "b"), BadRow("mine.jsonl:9", "torn")]
    with pytest.raises(ConfigurationError, match=r"mine\.jsonl:1"):
        tokenised(*rows)
    with pytest.raises(ConfigurationError, match=r"mine\.jsonl:9: torn") as stopped:
        tokenised(rows[2])
    assert "on_bad_row" in stopped.value.remedy
    made = tokenised(*rows, on_bad_row="skip")
    assert texts(made) == ["aB$"]
    assert (made.counts.rows, made.counts.bad, made.examples) == (3, 2, 1)
    assert [place.split(":")[1] for place in made.counts.bad_places] == ["1", "9"]
    many = tokenised(*rows[:1] * 9, on_bad_row="skip").counts
    assert (many.bad, len(many.bad_places)) == (9, PLACES)


def test_no_row_is_skipped_for_what_is_wrong_with_all() -> None:
    with pytest.raises(ConfigurationError, match="chat template"):
        settings = Data(name="mine.jsonl", on_bad_row="skip")
        encoder = letters()
        without = type(encoder)(encoder.tokenizer, encoder.end, None)
        tokenise([Row("mine.jsonl:1", chat("a", "b"))], Recipe(settings, without))


def test_rows_that_are_left_out_are_counted_by_their_reason(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    usual = chunk.to_example
    monkeypatch.setattr(
        chunk,
        "to_example",
        lambda row, *how: (
            LeftOut(row.where, "empty answer") if "empty" in row.columns else usual(row, *how)
        ),
    )
    made = tokenised({"empty": 1}, asked("a", "b"), {"empty": 2})
    assert (made.counts.left_out, made.examples) == ({"empty answer": 2}, 1)
    assert made.owners.tolist() == [0]


def test_keys_that_nobody_reads_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    segments = (Segment("a", False), Segment("b", True))
    monkeypatch.setattr(
        chunk,
        "samples",
        lambda example, _: (
            Sample(example.where, segments, False, frozenset({"why\nnot", "x" * 999})),
        ),
    )
    made = tokenised(asked("a", "b"), asked("c", "d"))
    assert made.counts.unread == ("why not", "x" * 200)


def test_parts_add_up() -> None:
    rows = [asked("a", "b"), asked("a" * 7, "b" * 9), {"text": 1}, asked("a" * 20, "b")]
    skip = {"on_bad_row": "skip"}
    both = total(tokenised(*rows[:2], **skip).counts, tokenised(*rows[2:], **skip).counts)
    whole = tokenised(*rows, **skip).counts
    assert both.model_copy(update={"bad_places": ()}) == whole.model_copy(update={"bad_places": ()})
    assert total(DataCounts(), whole) == whole


def test_the_counts_are_a_sentence() -> None:
    assert sentence(tokenised(asked("a", "b")).counts) == (
        "1 row; 1 sequence of 3 tokens, 2 learned, the longest 3"
    )
