"""Tokens on disk, made once: a folder named by its key (`training/tokens/key.py`).

    words        uint32, a token each (`tokens.Words`)
    starts       int64: where each sequence begins, and the end
    owners       int64: the example that each sequence is of
    about.json   key, counts, and the SHA-256 of the others; written last

Whatever lies there may be somebody else's, or cut off by a power cut. So it is looked at before it
is used, and what is not as it should be is made anew.
"""

import hashlib
import os
import stat
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from training.contract.counts import Count, DataCounts, total
from training.contract.errors import writing
from training.tokens.chunk import Chunk
from training.tokens.shelf import Shelf
from training.tokens.tokens import Words, ids_of

Number = TypeVar("Number", bound=np.generic)

_ABOUT = "about.json"
_ABOUT_SIZE = 2**20
"""Bytes; more is none of ours."""


class _About(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    key: str
    examples: Count
    counts: DataCounts
    sha256: dict[str, str] = Field(max_length=3)


@dataclass(frozen=True)
class Stored:
    """A data set in tokens, mapped from its files."""

    words: Words
    starts: NDArray[np.int64]
    owners: NDArray[np.int64]
    examples: int
    counts: DataCounts
    sha256: str
    """Of all of it."""


def read(folder: Path, key: str, vocabulary: int) -> Stored | None:
    """What is stored under this key; None when it is not there, or not as it was written.

    `vocabulary`: ids are below this.
    """
    if folder.is_symlink():
        return None
    try:
        with _opened(folder / _ABOUT) as file:
            about = _About.model_validate_json(file.read(_ABOUT_SIZE))
        words = _mapped(folder / "words", np.uint32)
        starts = _mapped(folder / "starts", np.int64)
        owners = _mapped(folder / "owners", np.int64)
    except (OSError, ValueError):  # pydantic's errors are ValueErrors
        return None
    if about.key != key or not _whole(about, words, starts, owners, vocabulary):
        return None
    together = hashlib.sha256(about.model_dump_json().encode()).hexdigest()
    return Stored(words, starts, owners, about.examples, about.counts, together)


def _whole(
    about: _About,
    words: Words,
    starts: NDArray[np.int64],
    owners: NDArray[np.int64],
    vocabulary: int,
) -> bool:
    sizes = about.counts.tokens, about.counts.sequences + 1, about.counts.sequences
    if (len(words), len(starts), len(owners)) != sizes:
        return False
    parts: dict[str, NDArray[Any]] = {"words": words, "starts": starts, "owners": owners}
    if about.sha256 != {
        name: hashlib.sha256(part.data).hexdigest() for name, part in parts.items()
    }:
        return False
    return bool(
        starts[0] == 0
        and starts[-1] == len(words)
        and (np.diff(starts) > 0).all()
        and 0 <= owners[0] <= owners[-1] < about.examples
        and (np.diff(owners) >= 0).all()
        and ids_of(words).max() < vocabulary
    )


def write(shelf: Shelf, key: str, chunks: Iterable[Chunk]) -> DataCounts:
    """Store what comes, if there is a sequence in it; its counts.

    Raises `TrainingError` for a full disk, and what `chunks` raises; nothing is left of it then.
    """
    counts, examples = DataCounts(), 0
    with writing(shelf.folder), shelf.new() as aside:
        with ExitStack() as stack:
            words, starts, owners = (
                stack.enter_context(_writing(aside / name, kind))
                for name, kind in (("words", "<u4"), ("starts", "<i8"), ("owners", "<i8"))
            )
            starts.add(np.zeros(1))
            for chunk in chunks:
                words.add(chunk.words)
                starts.add(counts.tokens + np.cumsum(chunk.lengths))
                owners.add(examples + chunk.owners)
                counts, examples = total(counts, chunk.counts), examples + chunk.examples
        if counts.sequences:
            sums = {part.name: part.sha256.hexdigest() for part in (words, starts, owners)}
            about = _About(key=key, examples=examples, counts=counts, sha256=sums)
            with _writing(aside / _ABOUT, "u1") as file:
                file.add(np.frombuffer(about.model_dump_json().encode(), "u1"))
            shelf.put(aside, key)
    return counts


@dataclass(frozen=True)
class _Part:
    name: str
    file: BinaryIO
    kind: str
    sha256: Any = field(default_factory=hashlib.sha256)

    def add(self, values: NDArray[Any]) -> None:
        content = values.astype(self.kind).tobytes()
        self.file.write(content)
        self.sha256.update(content)


@contextmanager
def _writing(path: Path, kind: str) -> Iterator[_Part]:
    """A file of such numbers; on the disk after the block."""
    with path.open("xb") as file:
        yield _Part(path.name, file, kind)
        file.flush()
        os.fsync(file.fileno())


@contextmanager
def _opened(path: Path) -> Iterator[BinaryIO]:
    """Raises OSError for what is no file: a link, or a pipe, which could wait for ever."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(f"{path} is no file")
        with os.fdopen(descriptor, "rb", closefd=False) as stream:
            yield stream
    finally:
        os.close(descriptor)


def _mapped(path: Path, kind: type[Number]) -> NDArray[Number]:
    """Raises ValueError for a file that is empty, or ends inside a number."""
    with _opened(path) as stream:
        return np.memmap(stream, kind, "r").view(np.ndarray)
