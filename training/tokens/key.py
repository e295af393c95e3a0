"""The name of a data set in tokens: a hash of everything that decides what it is.

No tokenizer runs for it, so a second start finds what the first one made.
"""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from training.contract.names import source_of
from training.rows.row import BadRow, Row
from training.tokens.chunk import Recipe

VERSION = 1
"""Of what this code makes of the same rows. tests/training/tokens/golden.json pins it: when other
tokens come out, this number moves."""


def rows_sha256(names: Iterable[str], folder: Path, rows: Iterable[Row | BadRow]) -> str:
    """SHA-256 of the bytes of files, with their endings; elsewhere of the rows themselves.

    `names`: of the sources that the rows are of; a relative one is in `folder`.
    """
    files = [folder / name if source_of(name) == "path" else None for name in names]
    total = hashlib.sha256()
    if all(file is not None and file.is_file() for file in files):
        for file in filter(None, files):
            total.update(f"{file.suffix}\0".encode())
            with file.open("rb") as stream:
                total.update(hashlib.file_digest(stream, "sha256").digest())
        return total.hexdigest()
    for row in rows:
        total.update(json.dumps(row, default=_in_words).encode() + b"\n")
    return total.hexdigest()


def key_of(rows: str, recipe: Recipe) -> str:
    """`VERSION-hash`; `rows`: their `rows_sha256`."""
    document = {
        "rows": rows,
        "data": recipe.data.model_dump(mode="json"),
        "encoder": asdict(recipe.encoder),
    }
    plain = json.dumps(document, sort_keys=True, default=sorted)  # sets
    return f"{VERSION}-{hashlib.sha256(plain.encode()).hexdigest()}"


def _in_words(value: Any) -> str:
    """What JSON has no form for, such as a date; of objects (an image) the kind alone."""
    return type(value).__name__ if " object at 0x" in (text := repr(value)) else text
