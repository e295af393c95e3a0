"""Files and folders on this node, read as what they are: by what they hold, and by their names."""

import gzip
import os
import stat
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedReader
from pathlib import Path
from typing import cast

from training.contract.errors import ConfigurationError
from training.contract.names import ENDINGS, ending_of
from training.rows.json_file import json_rows
from training.rows.lines import HEAD, lines_of
from training.rows.missing import where_it_belongs
from training.rows.parquet import PARQUET, parquet_rows
from training.rows.row import BadRow, Row
from training.rows.tables import table_rows
from training.rows.text_file import text_rows

Found = Iterator[Row | BadRow]

_GZIP = b"\x1f\x8b"
_OTHERS = {
    b"PK\x03\x04": "a ZIP archive (workbooks and documents are some, too)",
    b"BZh": "compressed with bzip2",
    b"\xfd7zXZ": "compressed with xz",
    b"\x28\xb5\x2f\xfd": "compressed with zstd",
    b"ARROW1": "an Arrow file",
    b"SQLite format 3": "a SQLite database",
    b"%PDF": "a PDF",
    b"version https://git-lfs": "a pointer of Git LFS: the data itself was not fetched",
}
"""How files begin that people take for data."""


def rows_of_path(path: Path, folder: Path, encoding: str | None) -> Found:
    """Rows of a file, or of all data files of a folder in the order of their names.

    `folder` is where data of a run belongs. Raises `ConfigurationError`.
    """
    for file in _files(path, folder):
        with _opened(file, folder) as stream:
            yield from _rows(file, stream, encoding)


def _rows(file: Path, stream: BufferedReader, encoding: str | None) -> Found:
    head = stream.peek(HEAD)[:HEAD]
    kind = ending_of(file.name)
    if head.startswith(PARQUET) or (kind == ".parquet" and head):
        return parquet_rows(file, stream)
    if what := next((what for magic, what in _OTHERS.items() if head.startswith(magic)), None):
        raise ConfigurationError("data_unreadable", f"{file} is {what}", _KINDS)
    lines = lines_of(file, stream, encoding)
    match kind:
        case ".txt":
            return text_rows(file, lines)
        case ".csv":
            return table_rows(file, lines, ",")
        case ".tsv":
            return table_rows(file, lines, "\t")
        case None if head.removeprefix(b"\xef\xbb\xbf").lstrip()[:1] not in (b"{", b"[", b""):
            raise ConfigurationError(
                "data_unreadable",
                f"{file}: neither name nor beginning say what it is",
                _KINDS,
            )
    return json_rows(file, lines)


_KINDS = f"Data are read from {', '.join(ENDINGS)} files, each also .gz. Name it after what it is."


def _files(path: Path, folder: Path) -> list[Path]:
    with _located(path, folder):
        mode = path.stat().st_mode
    if stat.S_ISREG(mode):
        return [path]
    if not stat.S_ISDIR(mode):
        raise ConfigurationError(
            "data_unreadable",
            f"{path} is neither a file nor a folder, but a pipe, a socket or a device",
            "Write the data into a file.",
        )
    found = sorted(_data_files(path, folder))
    if not found:
        raise ConfigurationError(
            "data_unreadable", f"{path} is a folder without a data file in it", _KINDS
        )
    return found


def _data_files(top: Path, folder: Path) -> Iterator[Path]:
    """Data files of a folder and of those in it; hidden ones are skipped, links not followed."""

    def refuse(error: OSError) -> None:
        raise error

    with _located(top, folder):
        for here, folders, files in os.walk(top, onerror=refuse):
            folders[:] = [name for name in folders if not name.startswith(".")]
            for name in files:
                if not name.startswith(".") and ending_of(name) and (Path(here) / name).is_file():
                    yield Path(here) / name


@contextmanager
def _opened(file: Path, folder: Path) -> Iterator[BufferedReader]:
    """Its bytes; what is compressed with gzip, whatever it is called, comes decompressed."""
    with _located(file, folder), file.open("rb") as raw:
        if not raw.peek(len(_GZIP)).startswith(_GZIP):
            yield raw
            return
        with gzip.open(raw) as whole:
            try:
                yield cast("BufferedReader", BufferedReader(whole))
            except (EOFError, zlib.error, gzip.BadGzipFile) as damaged:
                raise ConfigurationError(
                    "data_unreadable",
                    f"{file} is not whole: {damaged}",
                    "Compress it again with gzip, or copy it again.",
                ) from None


@contextmanager
def _located(path: Path, folder: Path) -> Iterator[None]:
    """What the system says about a path, in our words."""
    try:
        yield
    except PermissionError:
        raise ConfigurationError(
            "data_unreadable",
            f"{path}: this run may not read it",
            "Let everybody read it: `chmod -R a+rX` on it and on the folders that it is in.",
        ) from None
    except (OSError, ValueError) as unreadable:
        raise ConfigurationError(
            "data_unreadable", f"{path}: {unreadable}", where_it_belongs(path, folder)
        ) from None
