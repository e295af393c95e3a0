"""Files as people bring them: what is read, and what is said of those that cannot be."""

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.training.rows.written import (
    PAIRS,
    columns,
    lines,
    parquet,
    put,
    read,
    table,
    zipped,
)
from training.contract.config import Data
from training.contract.errors import ConfigurationError
from training.rows.files import rows_of_path
from training.rows.parquet import parquet_rows
from training.rows.read import read_evaluation, read_rows
from training.rows.row import BadRow

ARRAY = json.dumps(PAIRS, ensure_ascii=False, indent=1)
TURNS = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]
SHARE_GPT = [{"from": "human", "value": "a"}, {"from": "gpt", "value": "b"}]

READ: Sequence[tuple[str, str | bytes, Sequence[Mapping[str, Any]], str]] = [
    ("a.jsonl", lines(PAIRS), PAIRS, "a.jsonl:1 a.jsonl:2 a.jsonl:3"),
    ("a.NDJSON", lines(PAIRS), PAIRS, "a.NDJSON:1 a.NDJSON:2 a.NDJSON:3"),
    ("cut.jsonl", lines(PAIRS).rstrip(), PAIRS, "cut.jsonl:1 cut.jsonl:2 cut.jsonl:3"),
    ("bom_crlf_blank.jsonl", "\ufeff" + lines(PAIRS, "\r\n\r\n"), PAIRS, "x:1 x:3 x:5"),
    ("mac.jsonl", lines(PAIRS, "\r"), PAIRS, "x:1 x:2 x:3"),
    ("utf16.jsonl", lines(PAIRS).encode("utf-16"), PAIRS, "x:1 x:2 x:3"),
    ("utf32.jsonl", lines(PAIRS).encode("utf-32"), PAIRS, "x:1 x:2 x:3"),
    ("a.jsonl.gz", zipped(lines(PAIRS)), PAIRS, "x:1 x:2 x:3"),
    ("zipped_under_another_name.jsonl", zipped(lines(PAIRS)), PAIRS, "x:1 x:2 x:3"),
    ("plain_under_another_name.jsonl.gz", lines(PAIRS), PAIRS, "x:1 x:2 x:3"),
    ("lines.json", lines(PAIRS), PAIRS, "x:1 x:2 x:3"),
    ("several_a_line.jsonl", lines(PAIRS, " "), PAIRS, "x:1 x:1 x:1"),
    ("array.jsonl", ARRAY, PAIRS, "x:2 x:6 x:10"),
    ("array.json", json.dumps(PAIRS), PAIRS, "x:1 x:1 x:1"),
    ("upper.JSON", ARRAY, PAIRS, "x:2 x:6 x:10"),
    ("bom.json", "\ufeff\n\n" + ARRAY, PAIRS, "x:4 x:8 x:12"),
    ("pretty.jsonl", "\n".join(json.dumps(row, indent=1) for row in PAIRS), PAIRS, "x:1 x:5 x:9"),
    ("wrapped.json", json.dumps({"version": "1", "data": PAIRS}), PAIRS, "x:1 x:1 x:1"),
    ("wrapped.jsonl", json.dumps({"v": [1], "rows": PAIRS}, indent=1), PAIRS, "x:6 x:10 x:14"),
    ("empty_list_beside.json", json.dumps({"e": [], "rows": PAIRS}), PAIRS, "x:1 x:1 x:1"),
    ("one_row.jsonl", lines(PAIRS[:1]), PAIRS[:1], "x:1"),
    ("one_row.json", json.dumps(PAIRS[0], indent=2), PAIRS[:1], "x:1"),
    ("one_chat.jsonl", lines([{"messages": TURNS}]), [{"messages": TURNS}], "x:1"),
    ("one_chat.json", json.dumps({"messages": TURNS}), [{"messages": TURNS}], "x:1"),
    ("one_with_tools.json", json.dumps({"tools": [{"name": "f"}], "conversations": SHARE_GPT}),
     [{"tools": [{"name": "f"}], "conversations": SHARE_GPT}], "x:1"),
    ("one_line_is_a_row.jsonl", lines([{"parts": [{"a": 1}]}]), [{"parts": [{"a": 1}]}], "x:1"),
    ("numbers.jsonl", '{"a": 12, "b": null, "c": 1.5}', [{"a": 12, "b": None, "c": 1.5}], "x:1"),
    ("a.csv", "\ufeff" + table(PAIRS), PAIRS, "x:2 x:4 x:6"),
    ("a.CSV.GZ", zipped(table(PAIRS)), PAIRS, "x:2 x:4 x:6"),
    ("semicolons.csv", "\r\n" + table(PAIRS, ";"), PAIRS, "x:3 x:5 x:7"),
    ("a.tsv", table(PAIRS, "\t"), PAIRS, "x:2 x:4 x:6"),
    ("one_column.csv", 'text\n"a, b"\n\nc\n', [{"text": "a, b"}, {"text": "c"}], "x:2 x:4"),
    ("blanks.csv", " a , b\n1,\n", [{"a": "1", "b": ""}], "x:2"),
    ("long.csv", "text\n" + "x" * 200_000, [{"text": "x" * 200_000}], "x:2"),
    ("a.parquet", parquet(PAIRS), PAIRS, "x row 0 x row 1 x row 2"),
    ("a.parquet.gz", zipped(parquet(PAIRS)), PAIRS, "x row 0 x row 1 x row 2"),
    ("parquet_in_name_only_jsonl.jsonl", parquet(PAIRS), PAIRS, "x row 0 x row 1 x row 2"),
    ("a.txt", "one\n\n two \u2028\r\n", [{"text": "one"}, {"text": " two \u2028"}], "x:1 x:3"),
    ("bare", lines(PAIRS), PAIRS, "x:1 x:2 x:3"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "content", "rows", "where"), READ, ids=[row[0] for row in READ])
def test_what_is_read(
    name: str, content: str | bytes, rows: Sequence[Mapping[str, Any]], where: str, tmp_path: Path
) -> None:
    file = put(tmp_path, name, content)
    found = read(tmp_path, str(file))
    assert columns(found) == list(rows)
    assert [row.where for row in found] == where.replace(name, str(file)).replace(
        "x:", f"{file}:"
    ).replace("x row", f"{file} row").replace(" " + str(file), "\n" + str(file)).split("\n")


REFUSED: Sequence[tuple[str, str | bytes, str, str, str]] = [
    ("empty.jsonl", "", "data_too_small", "has 0 rows: it is empty", "right file"),
    ("empty.parquet", "", "data_too_small", "has 0 rows: it is empty", "right file"),
    ("empty.jsonl.gz", zipped(""), "data_too_small", "has 0 rows", "right file"),
    ("blank.jsonl", "\n \r\n\n", "data_too_small", "nothing but blank lines", "right file"),
    ("none.json", "[ ]", "data_too_small", "has 0 rows", "right file"),
    ("none_inside.json", '{"data": []}', "data_too_small", "has 0 rows", "right file"),
    ("header.csv", "a,b\n", "data_too_small", "has 0 rows", "right file"),
    ("cp949.jsonl", lines(PAIRS[:2]).replace("\u2028", "").encode("cp949"), "data_unreadable",
     "cp949.jsonl:1: its text is not in UTF-8", "set data.encoding: cp949"),
    ("late.txt", ("a\n" * 9000 + "le caf\xe9\n" * 2).encode("cp1252"), "data_unreadable",
     "late.txt:9001: its text is not in UTF-8", "set data.encoding: cp1252"),
    ("cut.txt", "caf\xe9".encode()[:-1], "data_unreadable", "cut.txt:1: its text", "Save the file"),
    ("utf16_unmarked.jsonl", lines(PAIRS).encode("utf-16-le"), "data_unreadable",
     "zero bytes", "set data.encoding: utf-16-le"),
    ("big_endian.txt", "plain text".encode("utf-16-be"), "data_unreadable", "big_endian.txt:1: ",
     "set data.encoding: utf-16-be"),
    ("zeros.txt", "a\nb\0c", "data_unreadable", "zeros.txt:2: there are zero bytes", "Copy it"),
    ("late_zeros.txt", "a\n" * 5000 + "\0\n", "data_invalid", "late_zeros.txt:5001", ""),
    ("late_zeros.csv", "a\n" * 5000 + "\0\n", "data_invalid", "late_zeros.csv:5001", ""),
    ("trailing_comma.json", '[{"a": 1},\n{"a": 2},\n]', "data_invalid",
     "trailing_comma.json:3: a comma before ]", "one array"),
    ("in_a_row.jsonl", '{"a": 1}\n{"a": 1,}', "data_invalid", ("in_a_row.jsonl:2: not JSON at "
     "column 9: a comma before }"), "one in each line"),
    ("after_the_line.jsonl", '{"a": 1},\n{"a": 1},', "data_invalid", ("after_the_line.jsonl:1: not "
     "JSON at column 9"), "one in each line"),
    ("cut_first.jsonl", '{"a": 1,\n{"a": 2}\n', "data_invalid", "cut_first.jsonl:1: ", ""),
    ("cut_last.jsonl", '{"a": 1}\n{"a":', "data_invalid", "cut_last.jsonl:2: ", ""),
    ("cut.json", '[{"a": 1}\n', "data_invalid", "cut.json:2: expected , or ], found the end", ""),
    ("no_comma.json", '[{"a": 1}\n{"a": 2}]', "data_invalid", "no_comma.json:2: expected , or ]",
     "one array"),
    ("two_arrays.json", '[{"a": 1}]\n[{"a": 2}]', "data_invalid", ("two_arrays.json:2: something "
     "follows the array"), ""),
    ("cut_inside.json", '{"data": [\n{"a": 1},\n{"a": ', "data_invalid", "cut_inside.json:3: ", ""),
    ("number.json", "[\n1]", "data_invalid", "number.json:2: not a JSON object", ""),
    ("number.jsonl", "{}\n3\n", "data_invalid", "number.jsonl:2: not a JSON object", ""),
    ("deep.jsonl", "{}\n" + '{"a":' * 100_000, "data_invalid", "deep.jsonl:2: ", ""),
    ("digits.jsonl", '{"a": ' + "9" * 5000 + "}", "data_invalid", "digits.jsonl:1: ", ""),
    ("half.jsonl", '{"a": "\\ud83d"}', "data_invalid", "half.jsonl:1: half of a character", ""),
    ("half.json", '[{"a": ["\\uDE00"]}]', "data_invalid", "half.json:1: half of a character", ""),
    ("several.json", '{"train": [{"a": 1}], "test": [{"a": 2}]}', "data_invalid",
     "several lists of rows: train, test", "data.sources"),
    ("fields.csv", "a,b\n1,2\n1,2,3\n", "data_invalid", ("fields.csv:3: 3 fields, where the header "
     "names 2"), '"quotes"'),
    ("few.csv", "a,b\n1\n", "data_invalid", "few.csv:2: 1 fields", '"quotes"'),
    ("quote.csv", 'a,b\n"x" y,1\n', "data_invalid", "quote.csv:2: ", '"quotes"'),
    ("open.csv", 'a,b\n1,2\n"x,1\n2,3\n', "data_invalid", "open.csv:3: ", '"quotes"'),
    ("twice.csv", "a,b,a\n1,2,3\n", "data_invalid", "twice.csv:1: its header names a twice", ""),
    ("header.tsv", '"a"b\n', "data_invalid", "header.tsv:1: its header: ", '"quotes"'),
    ("not.parquet", "PAR1 and no more", "data_unreadable", "not.parquet: after 0 rows", "whole"),
    ("text.parquet", "a,b\n1,2\n", "data_unreadable", "text.parquet: after 0 rows", "Parquet"),
    ("book.csv", b"PK\x03\x04....", "data_unreadable", "book.csv is a ZIP archive", ".csv"),
    ("pointer.jsonl", "version https://git-lfs.github.com/spec/v1\n", "data_unreadable",
     "a pointer of Git LFS", ""),
    ("cut.jsonl.gz", zipped(lines(PAIRS) * 99)[:-30], "data_unreadable", ("cut.jsonl.gz is not "
     "whole"), "gzip"),
    ("bad.jsonl.gz", zipped(lines(PAIRS))[:20] + b"\0" * 99, "data_unreadable", ("bad.jsonl.gz is "
     "not whole"), "gzip"),
    ("unknown.bin", "a b c", "data_unreadable", "neither name nor beginning", ".jsonl, .ndjson"),
    ("image.jsonl", b"\x89PNG\r\n\x1a\n\xff\xfe\x80", "data_unreadable", "image.jsonl:1: its text",
     "Save the file"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "content", "code", "message", "remedy"), REFUSED, ids=[row[0] for row in REFUSED]
)
def test_what_is_said_of_what_cannot_be_read(
    name: str, content: str | bytes, code: str, message: str, remedy: str, tmp_path: Path
) -> None:
    put(tmp_path, name, content)
    with pytest.raises(ConfigurationError) as told:
        read(tmp_path, str(tmp_path / name))
    assert (told.value.code, message in told.value.message) == (code, True), told.value.message
    assert remedy in told.value.remedy


def test_an_encoding_that_is_named_is_used(tmp_path: Path) -> None:
    put(tmp_path, "a.jsonl", lines(PAIRS[:1]).encode("cp949"))
    assert columns(read(tmp_path, "a.jsonl", encoding="cp949")) == PAIRS[:1]
    put(tmp_path, "b.jsonl", ("\ufeff" + lines(PAIRS[:1])).encode("gb18030"))
    assert columns(read(tmp_path, "b.jsonl", encoding="GB18030")) == PAIRS[:1]
    put(tmp_path, "c.csv", table(PAIRS).encode("utf-16"))
    assert columns(read(tmp_path, "c.csv", encoding="cp949")) == PAIRS, "the mark says what it is"
    put(tmp_path, "d.jsonl", lines(PAIRS))
    with pytest.raises(ConfigurationError, match="not in SHIFT_JIS") as told:
        read(tmp_path, "d.jsonl", encoding="shift_jis")
    assert told.value.remedy.endswith("data.encoding: utf-8")


def test_a_folder_is_read_in_the_order_of_its_names(tmp_path: Path) -> None:
    for name in ("b.txt", "a.csv", "sub/c.JSONL", "README.md", ".hidden.txt", ".git/d.txt"):
        put(tmp_path, f"mine/{name}", 'text\n{"text": 1}\n' if "csv" in name else '{"text": "t"}')
    put(tmp_path, "mine/empty.txt", "")
    found = [Path(row.where).name for row in read(tmp_path, "mine/")]
    assert found == ["a.csv:2", "b.txt:1", "c.JSONL:1"]
    assert len(read(tmp_path, str(tmp_path / "mine"))) == 3


@pytest.mark.parametrize("inside", ["", "README.md", ".hidden.jsonl", "empty.jsonl"])
def test_a_folder_without_data(inside: str, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    if inside:
        put(tmp_path, f"mine/{inside}", "")
    with pytest.raises(ConfigurationError, match=r"without a data file|0 rows"):
        read(tmp_path, "mine/")


def test_what_is_no_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.jsonl")
    with pytest.raises(ConfigurationError, match="neither a file nor a folder"):
        read(tmp_path, "a.jsonl")
    (tmp_path / "loop.jsonl").symlink_to("loop.jsonl")
    for name in ("loop.jsonl", "none.jsonl", "none/", "a.jsonl/b.jsonl", "/zero\0.jsonl"):
        with pytest.raises(ConfigurationError) as told:
            list(rows_of_path(tmp_path / name, tmp_path, None))
        assert (told.value.code, "paths.data" in told.value.remedy) == ("data_unreadable", True)


def test_what_may_not_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Root may: so the system's answer is given here."""
    put(tmp_path, "a.jsonl", "{}")

    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(ConfigurationError, match="may not read it") as told:
        read(tmp_path, "a.jsonl")
    assert "chmod" in told.value.remedy


def test_parquet_without_its_library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    file = put(tmp_path, "a.parquet", "PAR1")
    with pytest.raises(ConfigurationError, match="pyarrow") as told, file.open("rb") as stream:
        list(parquet_rows(file, stream))
    assert "pip install pyarrow" in told.value.remedy


BAD = lines(PAIRS[:1]) + '{"prompt":\n[1]\n' + lines(PAIRS[1:])


def test_bad_rows_are_skipped_and_told(tmp_path: Path) -> None:
    file = put(tmp_path, "a.jsonl", BAD)
    found = read(tmp_path, "a.jsonl", on_bad_row="skip")
    assert columns(found) == PAIRS
    bad = [row for row in found if isinstance(row, BadRow)]
    assert [row.where for row in bad] == [f"{file}:2", f"{file}:3"]
    assert bad[1].why == "not a JSON object"
    put(tmp_path, "b.csv", 'a,b\n1,2\n1,2,3\n"x"y,2\n3,4\n')
    kinds = [type(row).__name__ for row in read(tmp_path, "b.csv", on_bad_row="skip")]
    assert kinds == ["Row", "BadRow", "BadRow", "Row"]


def test_a_bad_row_is_none_of_those_that_are_wanted(tmp_path: Path) -> None:
    put(tmp_path, "a.jsonl", BAD)
    limits: dict[str, Any] = {"held_out_rows": 1, "on_bad_row": "skip"}
    assert columns(read(tmp_path, "a.jsonl", rows=1, **limits)) == PAIRS[:2]
    with pytest.raises(ConfigurationError, match=r"3 rows; data.rows and data.held_out_rows want"):
        read(tmp_path, "a.jsonl", rows=9, **limits)


def test_no_more_is_read_than_is_wanted(tmp_path: Path) -> None:
    """What comes later may be anything, and a file larger than memory."""
    put(tmp_path, "a.jsonl", lines(PAIRS) + "\xff no JSON")
    assert len(read(tmp_path, "a.jsonl", rows=2, held_out_rows=1)) == 3
    rows = read_rows(Data(name="a.jsonl"), tmp_path)
    assert [next(rows).where[-2:] for _ in range(3)] == [":1", ":2", ":3"]
    with pytest.raises(ConfigurationError):
        next(rows)


def test_a_source_of_its_own_for_the_held_out_rows(tmp_path: Path) -> None:
    put(tmp_path, "a.jsonl", lines(PAIRS))
    put(tmp_path, "b.csv", table(PAIRS * 2))
    settings = {"name": "a.jsonl", "evaluation": {"name": "b.csv"}, "held_out_rows": 5, "rows": 3}
    data = Data.model_validate(settings)
    assert columns(list(read_rows(data, tmp_path))) == PAIRS
    assert columns(list(read_evaluation(data, tmp_path))) == (PAIRS * 2)[:5]
    fewer = data.model_copy(update={"held_out_rows": 100})
    assert len(list(read_evaluation(fewer, tmp_path))) == 6
    assert list(read_evaluation(Data(name="a.jsonl"), tmp_path)) == []
