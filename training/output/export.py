"""A fine-tuned whole model as files: `model/` beside the run's checkpoints, loadable as any base.

Its files are the base's files with other numbers (`training.model.weight_files`). Weights come
together one at a time (those that are one weight of the model, an expert's of a layer, together),
also where they are sharded, and only rank 0 keeps what it writes.
"""

import hashlib
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from training.model.file_names import BaseFiles
from training.model.shards import reshard, whole
from training.model.weight_files import (
    DTYPES,
    Tensor,
    copy_rest,
    files_of,
    rewrite,
    tensors_of,
    unchanged,
)

FOLDER = "model"


def write(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, base: Path, out: Path | None
) -> str:
    """Write the model to the folder `out`, or nothing (None); the SHA-256 of what was trained.

    All ranks call this together. The sum is over names, shapes and bytes of the weights in float32,
    in the files' order. A rank that cannot write continues to gather, so that no other waits for
    it, and raises at the end.
    """
    total = hashlib.sha256()
    weights = _gathered(model, base, total)
    failure: OSError | None = None
    if out is not None:
        try:
            _write_files(weights, tokenizer, base, out)
        except OSError as caught:
            failure = caught
    for _ in weights:
        pass
    if failure is not None:
        raise failure
    return total.hexdigest()


def _gathered(
    model: PreTrainedModel, base: Path, total: "hashlib._Hash"
) -> Iterator[torch.Tensor | None]:
    """Each weight of the base's files as it is now, whole, on the CPU; summed up on the way.

    None for one that the model ignores.
    """
    reshard(model)
    weights = dict(model.named_parameters(remove_duplicate=False)) | dict(model.named_buffers())
    files, made = BaseFiles(base), dict[str, torch.Tensor]()
    for tensor in tensors_of(base):
        group = files.groups.get(tensor.name)
        if group is None:
            yield None
            continue
        if tensor.name not in made:
            made |= files.in_files(
                group, {n: whole(weights[n].detach()).cpu() for n in group.targets}
            )
        weight = made.pop(tensor.name).contiguous()
        total.update(f"{tensor.name}\0{tensor.shape}\0".encode())
        total.update(_bytes(weight))
        yield weight


def _write_files(
    weights: Iterator[torch.Tensor | None],
    tokenizer: PreTrainedTokenizerBase,
    base: Path,
    out: Path,
) -> None:
    def pieces(reader: IO[bytes], tensor: Tensor) -> Iterator[bytes | memoryview]:
        if (weight := next(weights)) is None:
            yield from unchanged(reader, tensor)
        else:
            yield _bytes(weight.to(getattr(torch, DTYPES[tensor.dtype])))

    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    for file in files_of(base):
        rewrite(file, out / file.name, pieces)
    copy_rest(base, out)
    tokenizer.save_pretrained(out)


def _bytes(tensor: torch.Tensor) -> memoryview:
    return memoryview(tensor.view(-1).view(torch.uint8).numpy())
