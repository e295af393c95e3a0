"""safetensors files, a piece at a time: what is in them, and the same files with other numbers.

The safetensors library can write a file only from all of its tensors at once. Here every header is
copied as it is (same names, types, shapes, order) and the tensors are streamed through, so no file
is ever in memory, be the model 1 GB or 140 GB.
"""

import json
import os
import shutil
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from training.contract.errors import ConfigurationError, TrainingError

CHUNK = 32 * 2**20
"""Bytes of a weight that are in memory at a time."""

DTYPES = {"F32": "float32", "F16": "float16", "BF16": "bfloat16", "F64": "float64"}
"""torch's names of the formats that can be computed with."""


@dataclass(frozen=True)
class Tensor:
    """One entry of a safetensors header; `start` and `end` are bytes after the header."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    start: int
    end: int


Pieces = Callable[[IO[bytes], Tensor], Iterable[bytes | memoryview]]
"""New bytes of a tensor, from a reader that stands at its old ones; as many as there were."""


def files_of(folder: Path) -> list[Path]:
    """The weight files of a model, in the order of their names."""
    if files := sorted(folder.glob("*.safetensors")):
        return files
    raise ConfigurationError("no_base", f"{folder} holds no *.safetensors file")


def header_of(file: Path) -> tuple[bytes, list[Tensor]]:
    """The header as its bytes (with the 8 of its length), and its tensors in the file's order."""
    with file.open("rb") as stream:
        length = stream.read(8)
        text = stream.read(int.from_bytes(length, "little"))
    tensors = [
        Tensor(name, entry["dtype"], tuple(entry["shape"]), *entry["data_offsets"])
        for name, entry in json.loads(text).items()
        if name != "__metadata__"
    ]
    return length + text, sorted(tensors, key=lambda tensor: tensor.start)


def tensors_of(folder: Path) -> list[Tensor]:
    """All tensors of a model, file by file: the order in which `rewrite` comes by them."""
    return [tensor for file in files_of(folder) for tensor in header_of(file)[1]]


def rewrite(source: Path, target: Path, pieces: Pieces) -> None:
    """Write `target`, a file like `source` with the numbers that `pieces` gives; fsynced."""
    header, tensors = header_of(source)
    with source.open("rb") as reader, target.open("wb") as writer:
        writer.write(header)
        for tensor in tensors:
            reader.seek(len(header) + tensor.start)
            for piece in pieces(reader, tensor):
                writer.write(piece)
        writer.flush()
        os.fsync(writer.fileno())
    for file in (source, target):
        give_back_page_cache(file)


def unchanged(reader: IO[bytes], tensor: Tensor) -> Iterator[bytes]:
    """The bytes that were there."""
    left = tensor.end - tensor.start
    while left > 0:
        piece = reader.read(min(CHUNK, left))
        if not piece:
            raise TrainingError("base_invalid", f"{tensor.name}: the file is cut off")
        left -= len(piece)
        yield piece


def give_back_page_cache(file: Path) -> None:
    """Let the system forget what it keeps of this file: unified memory is the GPU's memory too."""
    descriptor = os.open(file, os.O_RDONLY)
    try:
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
    finally:
        os.close(descriptor)


def copy_rest(folder: Path, out: Path) -> None:
    """What makes the weights a model: configuration, index, tokenizer; no adapter, no card."""
    for file in sorted(folder.iterdir()):
        ours = file.name.startswith("adapter_") or file.name == "README.md"
        if file.suffix in (".json", ".txt", ".model", ".jinja") and not ours:
            shutil.copyfile(file, out / file.name)
