"""The key of data in tokens: another one for everything that would make other tokens."""

import json
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from tests.support.tokens import letters
from training.contract.config import Data
from training.rows.row import Row
from training.texts.template import ChatTemplate
from training.tokens.chunk import Recipe, tokenise
from training.tokens.key import VERSION, key_of, rows_sha256

GOLDEN = Path(__file__).with_name("golden.json")
RECIPE = Recipe(Data(name="mine.jsonl"), letters())
TURNS = [{"role": "user", "content": "x"}, {"role": "assistant", "content": "yz"}]
CASES: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "asked": ({}, {"prompt": "ab", "completion": "cd"}),
    "chat": ({}, {"messages": TURNS * 2}),
    "text": ({}, {"text": "abc"}),
    "instruction": ({"template": "plain"}, {"instruction": "a", "input": "b", "output": "c"}),
    "cut": ({"max_length": 8}, {"prompt": "abcd", "completion": "efghij"}),
    "pieces": ({"max_length": 8}, {"text": "abcdefghijklmnopqrst"}),
    "nothing": ({"max_length": 8}, {"prompt": "abcdefghij", "completion": "k"}),
}


def test_the_same_tokens_come_out_as_long_as_the_version_is_the_same(
    request: pytest.FixtureRequest,
) -> None:
    """A new version gets its own golden tokens; those of a version are never written again."""
    found = {
        f"{name}{' with a beginning' * begin}": tokenise(
            [Row("here", row)], Recipe(Data(name="mine.jsonl", **data), letters(begin=begin))
        ).words.tolist()
        for name, (data, row) in CASES.items()
        for begin in (False, True)
    }
    golden = json.loads(GOLDEN.read_text())
    if request.config.getoption("--update-golden") and str(VERSION) not in golden:
        golden[str(VERSION)] = found
        GOLDEN.write_text(json.dumps(golden) + "\n")
    assert golden[str(VERSION)] == found, "other tokens: raise VERSION of training/tokens/key.py"
    assert [*golden] == [str(number + 1) for number in range(VERSION)]


CHANGED = {
    "rows": ("other", RECIPE),
    "length": ("rows", replace(RECIPE, data=Data(name="mine.jsonl", max_length=9))),
    "bad rows": ("rows", replace(RECIPE, data=Data(name="mine.jsonl", on_bad_row="skip"))),
    "over-long": ("rows", replace(RECIPE, data=Data(name="mine.jsonl", over_long="drop"))),
    "tokenizer": ("rows", replace(RECIPE, encoder=letters(begin=True))),
    "end": ("rows", replace(RECIPE, encoder=replace(RECIPE.encoder, end=2))),
    "no template": ("rows", replace(RECIPE, encoder=replace(RECIPE.encoder, template=None))),
    "template": ("rows", replace(RECIPE, encoder=letters(template="{{ messages }}"))),
    "special tokens": (
        "rows",
        replace(
            RECIPE,
            encoder=replace(RECIPE.encoder, template=ChatTemplate("x", {"eos_token": "</s>"})),
        ),
    ),
}


@pytest.mark.parametrize("change", CHANGED)
def test_everything_that_decides_is_in_it(change: str) -> None:
    key = key_of("rows", RECIPE)
    assert (
        key_of(*CHANGED[change])
        != key
        == key_of("rows", Recipe(Data(name="mine.jsonl"), letters()))
    )
    assert key.startswith(f"{VERSION}-") and "/" not in key


def test_the_version_of_the_code_is_in_it(monkeypatch: pytest.MonkeyPatch) -> None:
    before = key_of("rows", RECIPE)
    monkeypatch.setattr("training.tokens.key.VERSION", 99)
    assert key_of("rows", RECIPE).partition("-")[::2] == ("99", before.partition("-")[2])


def test_a_file_counts_by_its_bytes_and_its_ending(tmp_path: Path) -> None:
    def sum_of(name: str, content: bytes) -> str:
        (tmp_path / name).write_bytes(content)
        return rows_sha256([name], tmp_path, [])

    assert sum_of("a.jsonl", b"x") == sum_of("b.jsonl", b"x")
    assert len({sum_of("a.jsonl", b"x"), sum_of("a.txt", b"x"), sum_of("a.jsonl", b"y")}) == 3


def test_elsewhere_the_rows_count() -> None:
    def sum_of(*rows: dict[str, Any]) -> str:
        numbered = [Row(f"row {n}", row) for n, row in enumerate(rows)]
        return rows_sha256(["org/data"], Path(), iter(numbered))

    a, b = {"text": "a", "day": date(2026, 1, 1), "image": object()}, {"text": "b"}
    assert sum_of(a, b) == sum_of({**a, "image": object()}, b)
    others = sum_of(a, b), sum_of(b, a), sum_of(a), sum_of({**a, "day": date(2026, 1, 2)}, b)
    assert len(set(others)) == 4
