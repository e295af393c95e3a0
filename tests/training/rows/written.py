"""Rows written into files, in the forms that people bring."""

import csv
import gzip
import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from training.contract.config import Data
from training.rows.read import read_rows
from training.rows.row import BadRow, Row

PAIRS = [
    {"prompt": "어느 도시가 바다 옆에 있나요?\n", "completion": " 부산입니다."},
    {"prompt": "Which fruit is yellow?\n", "completion": ' A "lemon", or\u2028two.'},
    {"prompt": "كم عدد الأيام؟\n", "completion": " سبعة"},
]


def lines(rows: Sequence[Mapping[str, Any]], end: str = "\n") -> str:
    """One object a line."""
    return "".join(json.dumps(row, ensure_ascii=False) + end for row in rows)


def table(rows: Sequence[Mapping[str, Any]], delimiter: str = ",") -> str:
    """As Python and Excel write it."""
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, rows[0], delimiter=delimiter)
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def parquet(rows: Sequence[Mapping[str, Any]]) -> bytes:
    """By pyarrow."""
    import pyarrow
    from pyarrow import parquet as files

    out = io.BytesIO()
    files.write_table(pyarrow.Table.from_pylist(list(rows)), out)
    return out.getvalue()


def zipped(content: str | bytes) -> bytes:
    """As gzip has it."""
    return gzip.compress(content.encode() if isinstance(content, str) else content)


def put(folder: Path, name: str, content: str | bytes) -> Path:
    """A file of this content."""
    file = folder / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content.encode() if isinstance(content, str) else content)
    return file


def read(folder: Path, name: str, **settings: Any) -> list[Row | BadRow]:
    """All rows that `data` with this name has."""
    return list(read_rows(Data.model_validate({"name": name, **settings}), folder))


def columns(rows: Sequence[Row | BadRow]) -> list[Mapping[str, Any]]:
    """Of the good ones."""
    return [row.columns for row in rows if isinstance(row, Row)]
