"""JSON as people write it: a row in each line, or else a document (one array, an object around an
array, objects one after the other). What it is, the first line says; the name alone does not.
"""

from collections.abc import Iterable, Iterator
from itertools import chain, islice
from pathlib import Path

from training.rows.json_document import FORMS, document_rows, object_row
from training.rows.json_text import Broken, Placed, is_unfinished, may_hold_halves, values
from training.rows.row import BadRow, Row

_LINES = (".jsonl", ".ndjson")


def json_rows(file: Path, lines: Iterable[str]) -> Iterator[Row | BadRow]:
    """Rows of a JSON file. One object a line is read line by line, a document as a whole."""
    ahead = iter(lines)
    numbered = ((n, line) for n, line in enumerate(ahead, start=1) if line.strip())
    start, first = next(numbered, (0, ""))
    if first.lstrip().startswith("["):
        yield from document_rows(file, first + "".join(ahead), start)
        return
    if is_unfinished(first):
        rest = list(ahead)
        if not _is_cut(first, rest):
            yield from document_rows(file, first + "".join(rest), start)
            return
        numbered = ((n, line) for n, line in enumerate(rest, start + 1) if line.strip())
    second = next(numbered, None)
    if first and second is None and not file.name.lower().removesuffix(".gz").endswith(_LINES):
        yield from document_rows(file, first, start)
    elif first:
        for number, line in chain([(start, first), second or (0, "")], numbered):
            yield from _line(f"{file}:{number}", line)


def _is_cut(first: str, rest: list[str]) -> bool:
    """Whether a first line without an end is a row that was cut off: a whole row follows it, and
    both together are no value."""
    second = next((line for line in rest if line.strip()), "")
    return _parse(values(second)) and not _parse(islice(values("".join([first, *rest])), 1))


def _parse(found: Iterable[Placed]) -> bool:
    """Whether there are values, and all of them are whole."""
    try:
        return bool(list(found))
    except Broken:
        return False


def _line(where: str, line: str) -> Iterator[Row | BadRow]:
    try:
        found = [value for _, value in values(line)]
    except Broken as broken:
        yield BadRow(where, f"not JSON at column {broken.at + 1}: {broken.why}", FORMS)
        return
    halves = may_hold_halves(line)
    for value in found:
        yield object_row(where, value, halves)
