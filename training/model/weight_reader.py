"""Rows of the weights in a checkpoint's files, read when they are asked for."""

import os
from collections.abc import Iterable
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from typing import IO

import torch
from transformers.modeling_utils import str_to_torch_dtype

from training.contract.errors import ConfigurationError
from training.model.weight_files import Tensor, files_of, give_back_page_cache, header_of

_KEPT = 64 * 2**20
"""Bytes read after which the system forgets its pages of the files."""

Rows = slice | None
"""Of the first dimension; None for all of a weight."""


class WeightReader(AbstractContextManager["WeightReader"]):
    """All weights of a checkpoint by name. Nothing is mapped, and the page cache is given back.

    A mapping is no good on GB10: a device copy straight from it makes the system duplicate its
    pages into memory that cannot be reclaimed (transformers#47257), and unified memory is the GPU's
    memory too. What is read goes through one buffer: with memory of its own for each read the C
    library kept 160 MB of freed pieces (measured on a model of 2.7 GB).
    """

    def __init__(self, folder: Path) -> None:
        self.bytes_read = 0
        self.tensors: dict[str, Tensor] = {}
        self._places: dict[str, tuple[Path, int]] = {}
        self._unforgotten = 0
        self._open: dict[Path, IO[bytes]] = {}
        self._stack = ExitStack()
        self._buffer = torch.empty(0, dtype=torch.uint8)
        for file in files_of(folder):
            header, tensors = header_of(file)
            for tensor in tensors:
                if tensor.dtype not in str_to_torch_dtype:
                    raise ConfigurationError(
                        "checkpoint_unfit", f"{tensor.name} is held in {tensor.dtype}, which is "
                        "unknown to the transformers of the training image",
                    )  # fmt: skip
                self.tensors[tensor.name] = tensor
                self._places[tensor.name] = file, len(header) + tensor.start
            give_back_page_cache(file)

    def __exit__(self, *_: object) -> None:
        self._stack.close()
        for file in self._open:
            give_back_page_cache(file)
        self._open.clear()

    def read(self, wanted: Iterable[tuple[str, Rows]]) -> list[torch.Tensor]:
        """These rows of these weights, on the CPU; they last until the next call."""
        pieces = [self._piece(name, rows) for name, rows in wanted]
        room = sum(_aligned(length) for _, _, _, length in pieces)
        if room > len(self._buffer):
            del self._buffer
            self._buffer = torch.empty(room, dtype=torch.uint8)
        at, values = 0, []
        for name, start, shape, length in pieces:
            raw = self._buffer[at : at + length]
            self._fill(name, start, raw)
            values.append(raw.view(str_to_torch_dtype[self.tensors[name].dtype]).view(shape))
            at += _aligned(length)
        return values

    def _piece(self, name: str, rows: Rows) -> tuple[str, int, tuple[int, ...], int]:
        tensor = self.tensors[name]
        length = tensor.end - tensor.start
        if rows is None:
            return name, 0, tensor.shape, length
        row = length // max(1, tensor.shape[0])
        count = rows.stop - rows.start
        return name, rows.start * row, (count, *tensor.shape[1:]), count * row

    def _fill(self, name: str, start: int, raw: torch.Tensor) -> None:
        file, begin = self._places[name]
        if file not in self._open:
            self._open[file] = self._stack.enter_context(file.open("rb", buffering=0))
        stream, view, done = self._open[file], memoryview(raw.numpy()), 0
        while done < len(view):
            count = os.preadv(stream.fileno(), [view[done:]], begin + start + done)
            if not count:
                raise ConfigurationError("base_invalid", f"{file} was cut off while it was read")
            done += count
        self.bytes_read += done
        self._unforgotten += done
        if self._unforgotten >= _KEPT:
            for opened in self._open:
                give_back_page_cache(opened)
            self._unforgotten = 0


def _aligned(length: int) -> int:
    return (length + 63) // 64 * 64
