"""Bring the base model into memory: a slice on every rank, or a whole copy on every rank.

The only file that touches the insides of transformers and torch's checkpoint reader. They are
private, so requirements.txt pins the versions and tests/training runs this code for real.
"""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.distributed.checkpoint as dcp
from safetensors import safe_open
from torch.distributed.checkpoint.hf_storage import HuggingFaceStorageReader
from torch.distributed.checkpoint.metadata import Metadata
from torch.distributed.checkpoint.planner import LoadPlan, LoadPlanner, ReadItem
from torch.distributed.checkpoint.state_dict import get_model_state_dict
from torch.distributed.tensor import DTensor
from torch.futures import Future
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedModel
from transformers.distributed import DistributedConfig

from training.contract.config import Full, TrainingConfig
from training.contract.errors import ConfigurationError, TrainingError
from training.model.replicate import replicate
from training.model.weight_files import files_of, give_back_page_cache
from training.plan.estimate import Strategy

_STAGED = 8 * 2**20
"""Bytes of a slice that are copied at a time, all through one buffer. With a copy of its own for
each slice the C library kept 160 MB of freed ones (measured on a model of 2.7 GB)."""


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

    Meta init -> transformers shards (`fully_shard` per layer) -> torch's checkpoint reader fills
    the local slices. Peak memory of a rank is its share plus one piece of 8 MB;
    `from_pretrained` with the same sharding keeps all files mapped, which doubles the share on GB10
    (transformers#47257).
    With `mixed` the weights travel and compute in bfloat16, whatever they are held in; their
    gradients are summed in float32.
    """
    config = AutoConfig.from_pretrained(folder, local_files_only=True)
    if config.tie_word_embeddings:
        raise ConfigurationError(
            "cannot_shard",
            "this model ties its input and output embeddings, which FSDP2 cannot shard",
            "Set parallel.strategy to ddp; models with tied embeddings are small.",
        )
    kind = AutoModelForCausalLM._model_mapping[type(config)]
    wanted, device, meshes = kind.prepare_distribute_model(
        DistributedConfig(fsdp_size=world_size, fsdp_mixed_precision=mixed)
    )
    config.distributed_config = wanted
    with torch.device("meta"):
        model = kind._from_config(config, dtype=dtype)
    model = kind.maybe_distribute_model(model, wanted, meshes)
    model._move_missing_keys_from_meta_to_device(
        set(model.state_dict()), {"": device}, model._device_mesh, None
    )
    model.tie_weights(recompute_mapping=False)
    reader = SliceReader(folder)
    # Strict: a missing weight raises. Every node has all files, so ranks need not plan together,
    # and one that fails to read leaves nobody waiting in a collective.
    dcp.load(get_model_state_dict(model), storage_reader=reader, no_dist=True)
    for tensor in model.state_dict(keep_vars=True).values():
        tensor._is_hf_initialized = True
    model.initialize_weights()  # only what no file holds: the rotary embedding's buffers
    total, local = prove_sharded(model, world_size)
    return Loaded(model, total, local, reader.bytes_read)


class SliceReader(HuggingFaceStorageReader):  # type: ignore[misc]
    """Reads slices of safetensors files, one file at a time, and keeps nothing of them.

    Each piece of a slice is copied off the file's private mapping first (a device copy straight
    from it makes GB10 duplicate the pages into memory that cannot be reclaimed:
    transformers#47257), and the file's page cache is dropped, because unified memory is the
    GPU's memory too.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__(path=str(folder))
        self.bytes_read = 0
        self._buffer = torch.empty(0, dtype=torch.uint8)

    def read_metadata(self) -> Metadata:
        """Read the headers of all files, and drop what the system has read ahead of them."""
        found: Metadata = super().read_metadata()
        for file in files_of(Path(self.path)):
            give_back_page_cache(file)
        return found

    def read_data(self, plan: LoadPlan, planner: LoadPlanner) -> Future[None]:
        """Fill every tensor of the plan; returns a future that is done already."""
        per_file: dict[str, list[ReadItem]] = {}
        for item in plan.items:
            file = self.storage_data[item.storage_index].relative_path
            per_file.setdefault(file, []).append(item)
        for file, items in sorted(per_file.items()):
            with safe_open(file, framework="pt") as weights:
                for item in items:
                    self._read_slice(weights, item, planner)
            give_back_page_cache(Path(file))
        done: Future[None] = Future()
        done.set_result(None)
        return done

    def _read_slice(self, weights: Any, item: ReadItem, planner: LoadPlanner) -> None:
        source = weights.get_slice(item.storage_index.fqn)
        target = planner.resolve_tensor(item).detach()
        if target.shape != item.lengths:
            raise TrainingError(
                "checkpoint_invalid",
                f"{item.storage_index.fqn}: the file has {tuple(item.lengths)}, "
                f"the model wants {tuple(target.shape)}",
            )
        others = tuple(
            slice(start, start + length)
            for start, length in zip(item.storage_offsets[1:], item.lengths[1:], strict=True)
        )
        rows, begin = item.lengths[0], item.storage_offsets[0]
        at_once = max(1, _STAGED * rows // max(1, target.nbytes))
        for row in range(0, rows, at_once):
            some = slice(row, min(row + at_once, rows))
            mapped = source[(slice(begin + some.start, begin + some.stop), *others)]
            if mapped.nbytes > self._buffer.nbytes:
                self._buffer = torch.empty(mapped.nbytes, dtype=torch.uint8)
            staged = self._buffer[: mapped.nbytes].view(mapped.dtype).view(mapped.shape)
            target[some].copy_(staged.copy_(mapped))
            self.bytes_read += mapped.nbytes
        planner.commit_tensor(item, target)


def prove_sharded(model: torch.nn.Module, world_size: int) -> tuple[int, int]:
    """(weights of the model, weights on this rank); raises unless every single one is sharded.

    No launcher's word is taken for it: FSDP that did not happen looks the same from outside and
    exits 0 (seen with accelerate 1.15). A rank may hold at most ceil(rows / N) rows of a weight.
    """
    total = local = 0
    for name, weight in model.named_parameters():
        if not isinstance(weight, DTensor):
            raise ConfigurationError("not_sharded", f"{name} is not sharded")
        held = weight.to_local().numel()
        rows = weight.shape[0]
        if held > math.ceil(rows / world_size) * (weight.numel() // rows):
            raise ConfigurationError(
                "not_sharded", f"this rank holds {held} of the {weight.numel()} weights of {name}"
            )
        total += weight.numel()
        local += held
    return total, local
