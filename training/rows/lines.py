"""The lines of a text file, whatever encodes them; what cannot be decoded is told with the fix."""

import codecs
import io
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from training.contract.errors import ConfigurationError
from training.rows.encodings import likely_encoding

HEAD = 4096
"""Bytes that say what a file is."""

_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # begins as UTF-16's does
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_SAMPLE = 256 * 2**10


def lines_of(file: Path, stream: io.BufferedReader, encoding: str | None) -> Iterator[str]:
    """Lines with their ends, as they are. A mark at the beginning decides before `encoding` does.

    Not by `splitlines`: U+2028 may stand inside a JSON string.
    """
    head = stream.peek(HEAD)[:HEAD]
    marked = next((codec for mark, codec in _MARKS if head.startswith(mark)), None)
    codec = marked or encoding or "utf-8"
    if codec == "utf-8" and b"\0" in head:
        _refuse_zeros(file, head)
    number = 0
    with io.TextIOWrapper(stream, codec, newline="") as text:
        try:
            for number, line in enumerate(text, start=1):
                yield line.removeprefix("\ufeff") if number == 1 else line
        except UnicodeDecodeError as broken:
            read = bytes(broken.object)  # what follows the lines so far
            at = number + 1 + read[: broken.start].decode(codec, "ignore").count("\n")
            raise _undecodable(file, at, codec, read + _more(stream)) from None
        except UnicodeError as broken:
            raise ConfigurationError("data_unreadable", f"{file}: {broken}", _FIX) from None


_FIX = "Save the file as UTF-8, or set data.encoding to what it is in."


def _refuse_zeros(file: Path, head: bytes) -> None:
    """Text in UTF-16 without a mark has zeros in every other byte; other text has none."""
    halves = [head[i::2].count(0) for i in (0, 1)]
    line = head[: head.index(b"\0")].count(b"\n") + 1
    if max(halves) > len(head) // 4:
        guess = "utf-16-le" if halves[1] > halves[0] else "utf-16-be"
        remedy = f"It looks like UTF-16 without a mark: set data.encoding: {guess}"
    else:
        remedy = "Is it a text file, and was it written to the end? Copy it again."
    raise ConfigurationError("data_unreadable", f"{file}:{line}: there are zero bytes", remedy)


def _more(stream: BinaryIO) -> bytes:
    try:
        return stream.read(_SAMPLE)
    except (OSError, ValueError, EOFError):
        return b""


def _undecodable(file: Path, line: int, codec: str, sample: bytes) -> ConfigurationError:
    guess = likely_encoding(sample)
    known = guess is not None and guess != codec
    return ConfigurationError(
        "data_unreadable",
        f"{file}:{line}: its text is not in {codec.upper()}",
        f"It looks like {guess}: set data.encoding: {guess}" if known else _FIX,
    )
