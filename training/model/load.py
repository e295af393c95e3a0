"""Bring the base model into memory: a slice on every rank, or a whole copy on every rank.

Both ways fill an empty model of transformers from the same files by the same conversion
(`training.model.fill`). What they and this file touch of transformers is private in part, so
requirements.txt pins the versions and tests/training runs this code for real.
"""

from dataclasses import dataclass
from pathlib import Path

import torch
from transformers import PreTrainedModel

from training.contract.config import Full, TrainingConfig
from training.model.architecture import architecture_of
from training.model.conversion import plan
from training.model.ends import empty_as_in_files
from training.model.fill import fill
from training.model.fully_shard import prove_sharded, share_out
from training.model.replicate import replicate
from training.model.weight_reader import WeightReader
from training.plan.estimate import Strategy


@dataclass(frozen=True)
class Loaded:
    """A base model, how many weights it has, how many this rank holds, and the bytes it read."""

    model: PreTrainedModel
    parameters: int
    local_parameters: int
    bytes_read: int


def load(
    folder: Path,
    strategy: Strategy,
    world_size: int,
    config: TrainingConfig,
    device: torch.device,
) -> Loaded:
    """Load the base in the way that was chosen. Every rank calls this at the same time.

    What is trained as a whole is float32, and its passes compute in `model.dtype`.
    """
    method, dtype = config.method, getattr(torch, config.model.dtype)
    held = torch.float32 if isinstance(method, Full) else dtype
    if strategy == "sharded":
        return load_sharded(folder, world_size, held, mixed=dtype != held)
    model, total, bytes_read = replicate(folder, held, device, method)
    return Loaded(model, total, total, bytes_read)


def load_sharded(
    folder: Path, world_size: int, dtype: torch.dtype, *, mixed: bool = False
) -> Loaded:
    """Every rank holds 1/N of every weight (FSDP2), and reads only that from the files.

    Meta init -> transformers shards (`fully_shard` per layer) -> the local slices are filled. Peak
    memory of a rank is its share plus one piece of 8 MB, or plus one weight or group where rows
    cannot be converted apart; `from_pretrained` with the same sharding keeps all files mapped,
    which doubles the share on GB10 (transformers#47257).
    With `mixed` the weights travel and compute in bfloat16, whatever they are held in; their
    gradients are summed in float32.
    """
    found = architecture_of(folder)
    with WeightReader(folder) as reader:
        model = empty_as_in_files(found, dtype, reader)
        wanted = plan(model, reader.tensors.values(), found.quantizer)
        model, device = share_out(model, world_size, mixed=mixed)
        fill(model, wanted, reader, device)
    found.forget_quantization(model)
    total, local = prove_sharded(model, world_size)
    return Loaded(model, total, local, reader.bytes_read)
