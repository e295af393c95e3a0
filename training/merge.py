"""Base + LoRA adapter -> a model that needs no peft: `python -m training.merge BASE ADAPTER OUT`.

The merged files are the base's files with other numbers in them: same names, types, shapes, order.
So every header is copied as it is and the tensors are streamed through, a few rows at a time; no
whole weight is ever in memory, be the model 1 GB or 140 GB. (The safetensors library can write a
file only from all of its tensors at once.)
"""

import argparse
import json
import math
import os
import shutil
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from training.errors import ConfigurationError, ExitCode, TrainingError

_CHUNK = 32 * 2**20
"""Bytes of a weight that are in memory at a time."""

_PREFIX = "base_model.model."
_DTYPES = {"F32": "float32", "F16": "float16", "BF16": "bfloat16", "F64": "float64"}

_PLAIN: Mapping[str, Any] = {
    "peft_type": "LORA",
    "use_dora": False,
    "fan_in_fan_out": False,
    "bias": "none",
    "rank_pattern": {},
    "alpha_pattern": {},
    "modules_to_save": None,
    "target_parameters": None,
    "trainable_token_indices": None,
    "lora_bias": False,
}
"""What an adapter must say of itself to be W + scale * B A and nothing else."""


@dataclass(frozen=True)
class Tensor:
    """One entry of a safetensors header; `start` and `end` are bytes after the header."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    start: int
    end: int


@dataclass(frozen=True)
class Update:
    """What is added to a weight: scale * B A, with A of shape (r, in) and B of (out, r)."""

    a: Any
    b: Any
    scale: float


def merge(base: Path, adapter: Path, out: Path) -> int:
    """Write the merged model to `out`, whole or not at all; the number of weights that changed.

    Raises ConfigurationError for an adapter that is not plain LoRA or not of this base.
    """
    updates = read_updates(adapter)
    files = sorted(base.glob("*.safetensors"))
    if not files:
        raise ConfigurationError("no_base", f"{base} holds no *.safetensors file")
    names = {tensor.name for file in files for tensor in header_of(file)[1]}
    if missing := sorted(set(updates) - names):
        raise ConfigurationError(
            "adapter_unfit",
            f"the base has no {missing[0]} (and {len(missing) - 1} more)",
            "Name the base that the adapter was trained on: adapter_config.json says which.",
        )
    aside = out.with_name(f".{out.name}.tmp")
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir(parents=True)
    for file in files:
        _merge_file(file, aside / file.name, updates)
    _copy_rest(base, adapter, aside)
    shutil.rmtree(out, ignore_errors=True)
    aside.rename(out)
    return len(updates)


def read_updates(adapter: Path) -> dict[str, Update]:
    """The adapter's updates by the name of the base's weight."""
    from safetensors.torch import load_file

    settings = json.loads((adapter / "adapter_config.json").read_text(encoding="utf-8"))
    for key, plain in _PLAIN.items():
        if key in settings and (settings[key] or None) != (plain or None):
            raise ConfigurationError(
                "adapter_unfit",
                f"{adapter}: {key} is {settings[key]!r}; only plain LoRA can be merged here",
                "peft's merge_and_unload can, with the whole model in memory.",
            )
    rank = settings["r"]
    root = math.sqrt(rank) if settings.get("use_rslora") else rank
    weights = load_file(adapter / "adapter_model.safetensors")
    modules = {name.partition(".lora_")[0] for name in weights}
    try:
        return {
            f"{module.removeprefix(_PREFIX)}.weight": Update(
                weights.pop(f"{module}.lora_A.weight").float(),
                weights.pop(f"{module}.lora_B.weight").float(),
                settings["lora_alpha"] / root,
            )
            for module in modules
        }
    except KeyError as lacking:
        raise TrainingError("adapter_invalid", f"{adapter} lacks {lacking}") from None


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


def _merge_file(source: Path, target: Path, updates: Mapping[str, Update]) -> None:
    header, tensors = header_of(source)
    with source.open("rb") as reader, target.open("wb") as writer:
        writer.write(header)
        for tensor in tensors:
            reader.seek(len(header) + tensor.start)
            update = updates.get(tensor.name)
            for part in (
                _unchanged(reader, tensor) if update is None else _changed(reader, tensor, update)
            ):
                writer.write(part)
        writer.flush()
        os.fsync(writer.fileno())
        for stream in (reader, writer):  # on unified memory the page cache is the GPU's memory
            os.posix_fadvise(stream.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def _unchanged(reader: IO[bytes], tensor: Tensor) -> Iterator[bytes]:
    left = tensor.end - tensor.start
    while left > 0:
        part = reader.read(min(_CHUNK, left))
        if not part:
            raise TrainingError("base_invalid", f"{tensor.name}: the file is cut off")
        left -= len(part)
        yield part


def _changed(reader: IO[bytes], tensor: Tensor, update: Update) -> Iterator[bytes]:
    import torch

    rows, columns = tensor.shape
    if (rows, columns) != (update.b.shape[0], update.a.shape[1]):
        raise ConfigurationError(
            "adapter_unfit",
            f"{tensor.name} has the shape {tensor.shape}, its adapter is for "
            f"{(update.b.shape[0], update.a.shape[1])}",
        )
    if tensor.dtype not in _DTYPES:
        raise ConfigurationError(
            "adapter_unfit",
            f"{tensor.name} is held in {tensor.dtype}, which cannot be added to",
            "Merge into the base that is not quantised.",
        )
    dtype = getattr(torch, _DTYPES[tensor.dtype])
    row = columns * dtype.itemsize
    at_once = max(1, _CHUNK // row)
    for first in range(0, rows, at_once):
        some = slice(first, min(first + at_once, rows))
        part = reader.read((some.stop - some.start) * row)
        weight = torch.frombuffer(bytearray(part), dtype=dtype).view(-1, columns)
        # In peft's own order of operations, so that the numbers are the ones it would make.
        merged = weight.float() + (update.b[some] @ update.a) * update.scale
        yield merged.to(dtype).view(torch.uint8).numpy().tobytes()


def _copy_rest(base: Path, adapter: Path, out: Path) -> None:
    """Configuration and index of the base; the tokenizer as it was trained with."""
    for folder in (base, adapter):
        for file in sorted(folder.iterdir()):
            ours = file.name.startswith("adapter_") or file.name == "README.md"
            if file.suffix in (".json", ".txt", ".model", ".jinja") and not ours:
                shutil.copyfile(file, out / file.name)


def main(arguments: list[str]) -> int:
    """Merge, and return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m training.merge", description=__doc__)
    for name, what in (("base", "folder of the base model"), ("adapter", "folder of the adapter"),
                       ("out", "folder that is made")):  # fmt: skip
        parser.add_argument(name, type=Path, help=what)
    given = parser.parse_args(arguments)
    try:
        changed = merge(given.base, given.adapter, given.out)
    except TrainingError as error:
        print(f"{error.code}: {error.message} {error.remedy or ''}".rstrip(), file=sys.stderr)
        return error.exit_code
    except OSError as error:
        print(f"cannot merge: {error}", file=sys.stderr)
        return ExitCode.CONFIGURATION
    print(f"{given.out}: {changed} weights merged")
    return ExitCode.SUCCEEDED


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
