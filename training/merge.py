"""Base + LoRA adapter -> a model that needs no peft: `python -m training.merge BASE ADAPTER OUT`.

The merged files are the base's files with other numbers in them (`training.model.weight_files`),
made a few rows of a weight at a time.
"""

import argparse
import json
import math
import shutil
import sys
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from training.contract.errors import ConfigurationError, ExitCode, TrainingError
from training.model.weight_files import (
    CHUNK,
    DTYPES,
    Tensor,
    copy_rest,
    files_of,
    rewrite,
    tensors_of,
    unchanged,
)

if TYPE_CHECKING:
    from training.model.expert_updates import ExpertUpdates

_PREFIX = "base_model.model."

_PLAIN: Mapping[str, Any] = {
    "peft_type": "LORA",
    "fan_in_fan_out": False,
    "bias": "none",
    "rank_pattern": {},
    "alpha_pattern": {},
    "modules_to_save": None,
    "trainable_token_indices": None,
    "lora_bias": False,
}
"""What an adapter must say of itself to be W + scale * B A, with or without DoRA's magnitudes."""


@dataclass(frozen=True)
class Update:
    """What is added to a weight: scale * B A, with A of shape (r, in) and B of (out, r).

    With a magnitude (out), DoRA's, every row of the sum is brought to that length.
    """

    a: Any
    b: Any
    scale: float
    magnitude: Any = None


def merge(base: Path, adapter: Path, out: Path) -> int:
    """Write the merged model to `out`, whole or not at all; the number of weights that changed.

    Raises ConfigurationError for an adapter that is more than LoRA or DoRA, or not of this base.
    """
    names = {tensor.name for tensor in tensors_of(base)}
    experts = _experts(base, adapter)
    besides = experts.modules if experts else set()
    updates = _by_file_name(read_updates(adapter, besides), names, base)
    if missing := sorted(set(updates) - names):
        raise ConfigurationError(
            "adapter_unfit",
            f"the base has no {missing[0]} (and {len(missing) - 1} more)",
            "Name the base that the adapter was trained on: adapter_config.json says which.",
        )
    temp = out.with_name(f".{out.name}.tmp")
    shutil.rmtree(temp, ignore_errors=True)
    temp.mkdir(parents=True)

    def pieces(reader: IO[bytes], tensor: Tensor) -> Iterator[bytes]:
        if experts and tensor.name in experts.names:
            return _with_update(reader, tensor, experts.take(tensor.name))
        update = updates.get(tensor.name)
        return _changed(reader, tensor, update) if update else unchanged(reader, tensor)

    for file in files_of(base):
        rewrite(file, temp / file.name, pieces)
    copy_rest(base, temp)
    copy_rest(adapter, temp)  # the tokenizer as it was trained with
    shutil.rmtree(out, ignore_errors=True)
    temp.rename(out)
    return len(updates) + (len(experts.names) if experts else 0)


def _experts(base: Path, adapter: Path) -> "ExpertUpdates | None":
    if not _settings(adapter).get("target_parameters"):
        return None
    from training.model.expert_updates import ExpertUpdates

    return ExpertUpdates(base, adapter)


def _settings(adapter: Path) -> dict[str, Any]:
    settings: dict[str, Any] = json.loads(
        (adapter / "adapter_config.json").read_text(encoding="utf-8")
    )
    return settings


def _by_file_name(updates: dict[str, Update], names: set[str], base: Path) -> dict[str, Update]:
    """The same under the names of the base's files, which may not be those of the model."""
    if updates.keys() <= names or not (base / "config.json").is_file():
        return updates
    from training.model.file_names import BaseFiles  # transformers takes seconds to import

    found = BaseFiles(base).renamed
    return {found.get(name, name): update for name, update in updates.items()}


def read_updates(adapter: Path, besides: Collection[str] = ()) -> dict[str, Update]:
    """The adapter's updates by the name of the model's weight; none of the modules `besides`."""
    from safetensors.torch import load_file

    settings = _settings(adapter)
    for key, plain in _PLAIN.items():
        if key in settings and (settings[key] or None) != (plain or None):
            raise ConfigurationError(
                "adapter_unfit",
                f"{adapter}: {key} is {settings[key]!r}; only LoRA and DoRA can be merged here",
                "peft's merge_and_unload can, with the whole model in memory.",
            )
    rank = settings["r"]
    root = math.sqrt(rank) if settings.get("use_rslora") else rank
    weights = load_file(adapter / "adapter_model.safetensors")
    modules = {name.partition(".lora_")[0] for name in weights} - set(besides)
    try:
        return {
            f"{module.removeprefix(_PREFIX)}.weight": Update(
                weights.pop(f"{module}.lora_A.weight").float(),
                weights.pop(f"{module}.lora_B.weight").float(),
                settings["lora_alpha"] / root,
                weights.pop(f"{module}.lora_magnitude_vector", None),
            )
            for module in modules
        }
    except KeyError as lacking:
        raise TrainingError("adapter_invalid", f"{adapter} lacks {lacking}") from None


def _changed(reader: IO[bytes], tensor: Tensor, update: Update) -> Iterator[bytes]:
    import torch

    rows, columns = tensor.shape
    if (rows, columns) != (update.b.shape[0], update.a.shape[1]):
        raise ConfigurationError(
            "adapter_unfit",
            f"{tensor.name} has the shape {tensor.shape}, its adapter is for "
            f"{(update.b.shape[0], update.a.shape[1])}",
        )
    dtype = _number(tensor)
    row = columns * dtype.itemsize
    at_once = max(1, CHUNK // row)
    for first in range(0, rows, at_once):
        some = slice(first, min(first + at_once, rows))
        part = reader.read((some.stop - some.start) * row)
        weight = torch.frombuffer(bytearray(part), dtype=dtype).view(-1, columns)
        # In peft's own order of operations, so that the numbers are the ones it would make.
        merged = weight.float() + (update.b[some] @ update.a) * update.scale
        if update.magnitude is not None:
            length = torch.linalg.norm(merged, dim=1)
            merged *= (update.magnitude[some].float() / length).unsqueeze(1)
        yield merged.to(dtype).view(torch.uint8).numpy().tobytes()


def _with_update(reader: IO[bytes], tensor: Tensor, update: Any) -> Iterator[bytes]:
    """A weight of one piece: an expert's, or those of a layer's experts."""
    import torch

    dtype = _number(tensor)
    raw = bytearray(reader.read(tensor.end - tensor.start))
    weight = torch.frombuffer(raw, dtype=dtype).view(tensor.shape)
    yield (weight.float() + update).to(dtype).view(torch.uint8).numpy().tobytes()


def _number(tensor: Tensor) -> Any:
    import torch

    if tensor.dtype not in DTYPES:
        raise ConfigurationError(
            "adapter_unfit",
            f"{tensor.name} is held in {tensor.dtype}, which cannot be added to",
            "Merge into the base that is not quantized.",
        )
    return getattr(torch, DTYPES[tensor.dtype])


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
