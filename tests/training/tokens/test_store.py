"""Tokens on disk: found again, never believed, never half there."""

import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.support.disks import small_disk
from tests.support.tokens import letters
from training.contract.config import Data
from training.contract.errors import ConfigurationError, TrainingError
from training.rows.row import Row
from training.tokens.chunk import Recipe
from training.tokens.encode import Encoder
from training.tokens.prepare import FOLDER, DataSet, data_set, parts
from training.tokens.shelf import Shelf

DATA = Data(name="mine.jsonl", held_out_rows=2, max_length=16)
ROWS = [Row(f"mine.jsonl:{n}", {"prompt": "ab"[: 1 + n % 2], "completion": "c"}) for n in range(9)]


def made(cache: Path, key: str = "1-ab", rows: Any = ROWS, data: Data = DATA) -> DataSet:
    return data_set(key, Recipe(data, letters()), lambda: rows, cache)


def never() -> Iterator[Row]:
    raise AssertionError("rows are read")
    yield


def names(cache: Path) -> list[str]:
    return sorted(path.name for path in (cache / FOLDER).iterdir())


def everything(found: DataSet) -> list[Any]:
    both = parts([found.stored], DATA, 1)
    return [list(both.train), list(both.held_out), found.stored.counts, found.stored.sha256]


def test_a_second_start_calls_no_tokenizer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = made(tmp_path)
    monkeypatch.setattr(Encoder, "encode", None)
    second = made(tmp_path, rows=never())
    assert (first.reused, second.reused) == (False, True)
    assert everything(first) == everything(second)
    assert names(tmp_path) == ["1-ab"]


def test_examples_are_split_as_rows_were(tmp_path: Path) -> None:
    both = parts([made(tmp_path).stored], DATA, 2)
    assert list(both.held_out.lengths) == [3, 3]  # examples 0 and 4
    assert list(both.train.lengths) == [4, 3, 4, 4, 3, 4, 3]


def _cut(file: Path) -> None:
    os.truncate(file, file.stat().st_size // 2)


def _flip(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)


def _link(file: Path) -> None:
    file.rename(file.with_suffix(".real"))
    file.symlink_to(file.with_suffix(".real"))


def _pipe(file: Path) -> None:
    file.unlink()
    os.mkfifo(file)


def _folder(file: Path) -> None:
    file.unlink()
    file.mkdir()


DAMAGES: dict[str, Callable[[Path], None]] = {
    "gone": Path.unlink,
    "empty": lambda file: os.truncate(file, 0),
    "cut": _cut,
    "grown": lambda file: file.write_bytes(file.read_bytes() + b"\0" * 8),
    "another bit": _flip,
    "a link": _link,
    "a pipe": _pipe,
    "a folder": _folder,
}


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("name", ["words", "starts", "owners", "about.json"])
def test_what_is_damaged_is_made_anew(name: str, damage: str, tmp_path: Path) -> None:
    first = everything(made(tmp_path))
    DAMAGES[damage](tmp_path / FOLDER / "1-ab" / name)
    again = made(tmp_path)
    assert not again.reused
    assert everything(again) == first
    assert made(tmp_path, rows=never()).reused
    assert names(tmp_path) == ["1-ab"]


def _forge(folder: Path, **changes: Any) -> None:
    """As somebody would who knows the form: with the sums that belong to it."""
    from hashlib import sha256

    about = json.loads((folder / "about.json").read_text())
    for name, values in changes.items():
        (folder / name).write_bytes(values.tobytes())
        about["sha256"][name] = sha256(values.tobytes()).hexdigest()
    (folder / "about.json").write_text(json.dumps(about))


@pytest.mark.parametrize(
    "forged",
    [
        {"words": np.full(31, 200, np.uint32)},
        {"starts": np.array([0, 40, *range(20, 27), 31], np.int64)},
        {"starts": np.array([-1, *range(1, 9), 31], np.int64)},
        {"starts": np.array([0, 0, *range(2, 9), 31], np.int64)},
        {"owners": np.array([*range(8), 9], np.int64)},
        {"owners": np.array([-1, *range(8)], np.int64)},
        {"owners": np.array([0, 2, 1, *range(3, 9)], np.int64)},
    ],
    ids=str,
)
def test_what_is_forged_is_made_anew(forged: dict[str, Any], tmp_path: Path) -> None:
    first = made(tmp_path)
    assert len(first.stored.words) == 31
    _forge(tmp_path / FOLDER / "1-ab", **forged)
    assert not made(tmp_path).reused


@pytest.mark.parametrize(
    "about",
    ["", "[]", "{", "null", '{"key": 1}', "\ud800", "[" * 9999, '{"key": "1-ab"}'],
)
def test_any_description_is_survived(about: str, tmp_path: Path) -> None:
    made(tmp_path)
    file = tmp_path / FOLDER / "1-ab/about.json"
    file.write_bytes(about.encode("utf-8", "surrogatepass"))
    assert not made(tmp_path).reused


@pytest.mark.parametrize("there", ["file", "link", "folder"])
def test_what_stands_in_the_way_goes(there: str, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    made(elsewhere)
    shelf = tmp_path / "cache" / FOLDER
    shelf.mkdir(parents=True)
    match there:
        case "file":
            (shelf / "1-ab").write_text("x")
        case "link":
            (shelf / "1-ab").symlink_to(elsewhere / FOLDER / "1-ab")
        case _:
            (shelf / "1-ab/x").mkdir(parents=True)
    assert not made(tmp_path / "cache").reused
    assert made(tmp_path / "cache").reused
    assert made(elsewhere).reused


def test_a_disk_that_never_keeps_what_was_written_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("training.tokens.prepare.read", lambda *_: None)
    with pytest.raises(TrainingError, match="1-ab is never as it was written") as told:
        made(tmp_path)
    assert told.value.code == "tokens_changed"


def test_one_of_another_key_is_not_used(tmp_path: Path) -> None:
    made(tmp_path, "1-ab")
    shutil.copytree(tmp_path / FOLDER / "1-ab", tmp_path / FOLDER / "1-cd")
    assert not made(tmp_path, "1-cd").reused


def test_the_ones_used_last_are_kept(tmp_path: Path) -> None:
    for number in range(10):
        made(tmp_path, f"1-{number}")
        os.utime(tmp_path / FOLDER / f"1-{number}", (number, number))
    assert made(tmp_path, "1-2").reused
    made(tmp_path, "1-new")
    assert names(tmp_path) == [
        "1-2", "1-4", "1-5", "1-6", "1-7", "1-8", "1-9", "1-new",
    ]  # fmt: skip


def test_leftovers_go_but_not_what_is_being_made(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path / FOLDER)
    with shelf.new() as live:
        dead, young = tmp_path / FOLDER / ".new-dead", tmp_path / FOLDER / ".new-young"
        for path in (dead, young):
            path.mkdir()
            (path / "words").write_text("x")
        for path in (live, dead):
            os.utime(path, (1, 1))
        made(tmp_path)
        assert live.exists() and young.exists() and not dead.exists()
    assert not live.exists()


def test_what_is_used_may_go(tmp_path: Path) -> None:
    found = made(tmp_path)
    first = everything(found)
    shutil.rmtree(tmp_path / FOLDER)
    assert everything(found) == first


def test_a_bad_row_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"mine\.jsonl:10"):
        made(tmp_path, rows=[*ROWS, Row("mine.jsonl:10", {"prompt": 1, "completion": 2})])
    assert names(tmp_path) == []


def test_nothing_to_learn_is_an_error_that_counts(tmp_path: Path) -> None:
    rows = [Row("mine.jsonl:1", {"prompt": "a" * 99, "completion": "b"})]
    bad = Row("mine.jsonl:2", {"prompt": 1})
    data = DATA.model_copy(update={"on_bad_row": "skip"})
    with pytest.raises(ConfigurationError) as told:
        made(tmp_path, rows=[*rows, bad], data=data)
    assert told.value.code == "data_too_small"
    assert "2 rows, 1 bad (mine.jsonl:2" in told.value.message
    assert "1 left out (1 nothing to learn within data.max_length), 1 cut" in told.value.message
    assert names(tmp_path) == []


def test_too_few_for_all_ranks_is_an_error_that_counts(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"3 ranks need one .*\(9 rows; 9 sequences"):
        parts([made(tmp_path).stored], DATA, 3)
    few = made(tmp_path, "1-few", rows=ROWS[:2])
    with pytest.raises(ConfigurationError, match=r"nothing is left to train on \(2 rows; 2 seq"):
        parts([few.stored], DATA, 1)


def test_a_full_disk_is_said_and_nothing_is_left(tmp_path: Path) -> None:
    rows = [Row(f"mine.jsonl:{n}", {"text": "x" * 4000}) for n in range(100)]
    with small_disk(tmp_path, 256):
        with pytest.raises(TrainingError, match="no space is left") as told:
            made(tmp_path, rows=rows)
        assert told.value.code == "disk_full"
        assert names(tmp_path) == []
        assert not made(tmp_path).reused
