"""Which settings would make a training fit, tried with the estimate. Pure."""

from collections.abc import Iterator
from typing import Any

from training.contract.config import TrainingConfig
from training.plan.estimate import memory
from training.plan.shape import Shape
from training.plan.strategy import choose, usable

_MOST_NODES = 16
_SHORTEST = 256
"""Tokens; shorter rows than that are another training."""


def settings_that_fit(
    shape: Shape, config: TrainingConfig, ranks: int, there: int
) -> tuple[str, ...]:
    """The first that are enough, as `--set` takes them; none when nothing here is.

    What leaves the training as it is comes first: checkpointing and sharding cost time alone, fewer
    rows in a pass change it a little, shorter ones cut what it learns from.
    """
    for settings in _milder(config, ranks):
        if _fits(shape, _changed(config, settings), ranks, there):
            return tuple(f"training.{key}={_text(value)}" for key, value in settings.items())
    return ()


def nodes_that_fit(shape: Shape, config: TrainingConfig, ranks: int, there: int) -> int | None:
    """The fewest nodes of this size on which it fits as it is; None when no number is enough."""
    more = range(ranks + 1, _MOST_NODES + 1)
    return next((number for number in more if _fits(shape, config, number, there)), None)


def _fits(shape: Shape, config: TrainingConfig, ranks: int, there: int) -> bool:
    strategy = choose(config, ranks, shape, 0, there)
    return memory(shape, config, strategy, ranks).peak <= usable(config, there)


def _milder(config: TrainingConfig, ranks: int) -> Iterator[dict[str, Any]]:
    settings: dict[str, Any] = {}
    if config.parallel.strategy == "ddp" and ranks > 1 and not config.never_sharded:
        settings["parallel.strategy"] = "sharded"
        yield dict(settings)
    if config.loop.gradient_checkpointing not in (True, "auto"):
        settings["loop.gradient_checkpointing"] = True
        yield dict(settings)
    for rows in _halves(config.loop.per_device_batch_size, 1):
        settings["loop.per_device_batch_size"] = rows
        yield dict(settings)
    for length in _halves(config.data.max_length, _SHORTEST):
        settings["data.max_length"] = length
        yield dict(settings)


def _halves(value: int, least: int) -> Iterator[int]:
    while (value := value // 2) >= least:
        yield value


def _changed(config: TrainingConfig, settings: dict[str, Any]) -> TrainingConfig:
    for path, value in settings.items():
        section, key = path.split(".")
        part = getattr(config, section).model_copy(update={key: value})
        config = config.model_copy(update={section: part})
    return config


def _text(value: object) -> str:
    return str(value).lower()
