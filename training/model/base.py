"""The base in memory, and what is trained of it or beside it."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from training.contract.config import Full
from training.contract.errors import ConfigurationError
from training.model import adapter, full, load
from training.model.architecture import require_trainable
from training.model.load import Loaded
from training.plan.estimate import Strategy, memory
from training.plan.hardware import CPU, GB10
from training.plan.memory import too_large
from training.plan.shape import shape_of
from training.plan.strategy import checkpoint_bytes, choose
from training.ranks.joined import Joined


@dataclass(frozen=True)
class Base:
    """The base as it was loaded, and the model that trains."""

    strategy: Strategy
    loaded: Loaded
    model: Any
    """The base itself, or the base with an adapter on it."""


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
    if least > smallest:
        raise ConfigurationError("does_not_fit", *too_large(least, smallest))
    group.run_on_all(
        lambda: require_trainable(folder, config.method, sharded=strategy == "sharded")
    )
    loaded = group.run_on_all(lambda: load.load(folder, strategy, world_size, config, group.device))
    if isinstance(config.method, Full):
        return Base(strategy, loaded, full.train_all(loaded.model, folder))
    return Base(strategy, loaded, adapter.attach(loaded.model, config.method, config.loop.seed))
