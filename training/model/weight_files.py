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

WHOLE, INDEX = "model.safetensors", "model.safetensors.index.json"
"""What transformers looks for: one file, or the list of many."""

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
    """The weight files of a model, in the order of their names: the ones that transformers reads.

    That is model.safetensors, else the files that the index names; what else lies beside them
    (consolidated.safetensors) holds the same weights under other names. Raises ConfigurationError
    where there are none, and for an index that names what is not there.
    """
    if (folder / WHOLE).is_file():
        return [folder / WHOLE]
    if not (folder / INDEX).is_file():
        raise ConfigurationError(
            "no_base",
            f"{folder} holds neither {WHOLE} nor {INDEX}",
            "Files in another format (.bin, .pth, .gguf) must be saved again as safetensors.",
        )
    names = _named_by(folder / INDEX)
    if away := sorted(name for name in names if not (folder / name).is_file()):
        raise ConfigurationError(
            "base_invalid",
            f"{folder / INDEX} names {away[0]}, which is not there (and {len(away) - 1} more)",
            "Fetch the model again, whole.",
        )
    return [folder / name for name in sorted(names)]


def _named_by(index: Path) -> set[str]:
    try:
        names = set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values())
        if names and all(Path(name).name == name for name in names):
            return names
        problem = "names no files of this folder"
    except (ValueError, KeyError, TypeError, AttributeError) as unreadable:
        problem = f"cannot be read ({type(unreadable).__name__}: {unreadable})"
    raise ConfigurationError("base_invalid", f"{index} {problem}", "Fetch the model again, whole.")


def header_of(file: Path) -> tuple[bytes, list[Tensor]]:
    """The header as its bytes (with the 8 of its length), and its tensors in the file's order.

    Raises ConfigurationError for a file that is not what its header says, a cut off one included.
    """
    size = file.stat().st_size
    with file.open("rb") as stream:
        length = stream.read(8)
        text = stream.read(min(int.from_bytes(length, "little"), size))
    header = length + text
    try:
        tensors = [
            Tensor(name, entry["dtype"], tuple(entry["shape"]), *entry["data_offsets"])
            for name, entry in json.loads(text).items()
            if name != "__metadata__"
        ]
        sound = all(0 <= t.start <= t.end <= size - len(header) for t in tensors)
    except (ValueError, KeyError, TypeError, AttributeError):
        tensors, sound = [], False
    if not sound:
        raise ConfigurationError(
            "base_invalid",
            f"{file} is cut off, or no safetensors file",
            "Fetch the model again, whole.",
        )
    return header, sorted(tensors, key=lambda tensor: tensor.start)


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
