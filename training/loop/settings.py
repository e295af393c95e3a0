"""What makes a training this one: a checkpoint of another one is not resumed."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from training.contract.config import TrainingConfig
from training.contract.errors import ConfigurationError

Settings = Mapping[str, Any]
"""What makes a training this one, by dotted key."""

_MAY_CHANGE = (
    "parallel.",
    "checkpoint.",
    "loop.gradient_checkpointing",
    "loop.log_every",
    "loop.peak_tflops",
    "tracking.",
)
"""Keys that say how it is run or watched, not what comes out."""
_DATA_KEY = "data_key"
_PACKING = "packing"
"""Of packed passes alone: how they are filled. Until 2026-11-28 with what came next."""


def settings_of(
    config: TrainingConfig, world_size: int, base_sha256: str, data_key: str
) -> Settings:
    """Everything that shapes the result. `data_key`: of training/tokens/key.py."""
    others = {"world_size": world_size, "base_sha256": base_sha256, _DATA_KEY: data_key}
    return _that_shape(config, config) | _packing(config, "best fit") | others


def usual_settings(config: TrainingConfig) -> Settings:
    """Every setting at its default, for the same model, data and method.

    A new setting's default is what was done before it could be set, so this is what a checkpoint
    means that an older version made without it.
    """
    least = {
        "model": {"name": config.model.name},
        "method": {"kind": config.method.kind},
        "data": {"name": config.data.name, "sources": config.data.sources},
    }
    return _that_shape(TrainingConfig.model_validate(least), config) | _packing(config, "next fit")


def _packing(config: TrainingConfig, way: str) -> dict[str, str]:
    return {_PACKING: way} if config.loop.batching == "packed" else {}


def _that_shape(config: TrainingConfig, trained: TrainingConfig) -> dict[str, Any]:
    """By dotted key, what has an effect on the result of a training like `trained`."""
    flat = {
        f"{section}.{key}": value
        for section, values in config.model_dump(mode="json").items()
        for key, value in values.items()
    }
    watched = () if trained.loop.compares_evaluations else ("loop.eval_every",)
    may_change = _MAY_CHANGE + watched
    return {key: value for key, value in flat.items() if not key.startswith(may_change)}


def require_same(then: Settings, now: Settings, where: Path) -> None:
    """Raise unless a checkpoint made with the settings `then` can be resumed with `now`."""
    if does := _earlier_version(then, now):
        raise ConfigurationError(
            "checkpoint_unfit",
            f"the checkpoint {where} was made by an earlier version of sparkctl, which {does}",
            "Finish this run with that version, or start a new one.",
        )
    changed = [
        f"{key} was {then.get(key)}, now is {now.get(key)}"
        for key in sorted({*then, *now} - {_PACKING})
        if then.get(key) != now.get(key)
    ]
    if len(changed) > 1:  # the key also changes with every setting of the data, which says more
        changed = [told for told in changed if not told.startswith(_DATA_KEY)]
    if changed:
        raise ConfigurationError(
            "checkpoint_unfit",
            f"the checkpoint {where} is of another training: {'; '.join(changed)}",
            "Restore the former settings, or start a new run for these.",
        )


def _earlier_version(then: Settings, now: Settings) -> str | None:
    """What the code that made a checkpoint does in another way, if it does."""
    if _version(then) != _version(now):
        return "made other tokens of the same data"
    if then.get(_PACKING) != now.get(_PACKING) and then["loop.batching"] == now["loop.batching"]:
        return "put other rows together in packed passes"
    return None


def _version(settings: Settings) -> str:
    """Of the code that made the tokens; none before they had a key."""
    return str(settings.get(_DATA_KEY, "")).partition("-")[0]
