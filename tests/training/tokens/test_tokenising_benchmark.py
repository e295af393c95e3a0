"""The benchmark compares like with like: the same tokens; timings are for people."""

import json
import os
from pathlib import Path

import pytest

pytestmark = [pytest.mark.torch, pytest.mark.filterwarnings("ignore")]


def test_every_way_makes_the_same_tokens(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # datasets.map with several processes leaves a copy in its place; what others hold is this one.
    monkeypatch.setattr(os, "environ", os.environ)
    from benchmarks.tokenising import chats, learned_tokenizer, ours, theirs

    rows = [json.dumps(row) for row in chats(40, seed=1)]
    file, tokenizer = tmp_path / "chats.jsonl", tmp_path / "tokenizer.json"
    file.write_text("\n".join(rows))
    learned_tokenizer(iter(rows)).save(str(tokenizer))
    first, second = ours(file, tokenizer), ours(file, tokenizer)
    assert first == second == theirs(file, tokenizer) > 40


def test_the_table_says_what_was_measured() -> None:
    from benchmarks.tokenising import Spent, table

    lines = table({"ours": Spent(2.0, 4.0, 100_000_000, 1000)}, 10)
    assert "| ours | 2.0 | 4.0 | 100 | 250 |" in lines
    assert "10 chats, 1,000 tokens." in lines
