"""The base in memory, and what is trained of it or beside it."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from transformers import PreTrainedModel

from training.contract.config import Full, Lora, Qlora
from training.contract.errors import ConfigurationError
from training.contract.events import Adapts
from training.model import adapter, full, load, start_from
from training.model.adapter import Adapted
from training.model.architecture import require_trainable
from training.model.load import Loaded
from training.plan.checkpointing import Recompute, settle
from training.plan.estimate import Strategy, memory
from training.plan.hardware import CPU, GB10
from training.plan.memory import too_large
from training.plan.strategy import checkpoint_bytes, choose
from training.plan.understand import shape_of
from training.ranks.fingerprint import folder_sha256
from training.ranks.group_check import require_equal
from training.ranks.joined import Joined
from training.ranks.software import require_torch_to_shard


@dataclass(frozen=True)
class Base:
    """The base as it was loaded, and the model that trains."""

    strategy: Strategy
    loaded: Loaded
    model: Any
    """The base itself, or the base with an adapter on it."""
    adapted: Adapted | None = None
    """The latter."""
    recompute: Recompute = False
    """What the backward pass computes again, as settled."""


def load_base(rank: Joined, folder: Path) -> Base:
    """Choose the strategy, load the base from `folder`, and make ready what is to be trained.

    Raises ConfigurationError when it cannot fit into the smallest node.
    """
    config, group, world_size = rank.config, rank.group, rank.env.world_size
    shape = shape_of(json.loads((folder / "config.json").read_text(encoding="utf-8")))
    smallest = min(info.memory for info in rank.rank_infos)
    machine = GB10 if group.device.type == "cuda" else CPU
    strategy = choose(config, world_size, shape, checkpoint_bytes(folder), smallest, machine)
    least = memory(shape, config, strategy, world_size, machine).least if shape else 0
    free = min(info.free for info in rank.rank_infos)
    again = settle(config, shape, strategy, world_size, smallest, free, machine)
    if least > smallest:
        raise ConfigurationError("does_not_fit", *too_large(least, smallest))
    if strategy == "sharded" and world_size > 1:
        require_torch_to_shard(torch.__version__)
    group.run_on_all(
        lambda: require_trainable(folder, config.method, sharded=strategy == "sharded")
    )
    loaded = group.run_on_all(lambda: load.load(folder, strategy, world_size, config, group.device))
    if isinstance(config.method, Full):
        return Base(strategy, loaded, full.train_all(loaded.model, folder), recompute=again)
    adapted = _adapt(rank, loaded.model, config.method)
    return Base(strategy, loaded, adapted.model, adapted, again)


def _adapt(rank: Joined, base: PreTrainedModel, method: Lora | Qlora) -> Adapted:
    """Put adapters on the base, as they begin, and tell on what."""
    group, name, trained_on = rank.group, method.init_from, None
    adapted = group.run_on_all(lambda: adapter.attach(base, method, rank.config.loop.seed))
    if name is not None:
        folder = group.run_on_all(
            lambda: start_from.folder_of(name, rank.env.data_dir, known=rank.env.has_checkpoint)
        )
        require_equal(
            "the adapter that training starts from",
            group.gather((rank.env.node, folder_sha256(folder))),
            "Put the same adapter on every node.",
            "adapter_mismatch",
        )
        trained_on = group.run_on_all(lambda: start_from.put(adapted, folder, name, method))
    choice = adapted.choice
    rank.log.emit(
        Adapts(
            rank=rank.env.rank,
            layers=len(choice.layers) + len(choice.weights),
            of=choice.of,
            left_out=choice.left_out,
            init_from=name,
            trained_on=trained_on,
            elapsed=rank.log.elapsed,
        )
    )
    return adapted
