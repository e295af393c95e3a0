"""Plain text: every line that is not blank is a text of its own."""

from collections.abc import Iterable, Iterator
from pathlib import Path

from training.rows.row import BadRow, Row


def text_rows(file: Path, lines: Iterable[str]) -> Iterator[Row | BadRow]:
    """Rows with the one column `text`, a line without its end."""
    for number, line in enumerate(lines, start=1):
        where = f"{file}:{number}"
        if "\0" in line:
            yield BadRow(where, "there are zero bytes in it: the file is damaged, or no text")
        elif line.strip():
            yield Row(where, {"text": line.rstrip("\r\n")})
