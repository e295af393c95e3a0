"""The tiny recipe that tests train, and changes of it."""

from collections.abc import Mapping
from typing import Any

TINY: dict[str, dict[str, Any]] = {
    "model": {"name": "builtin:tiny-llama", "dtype": "float32"},
    "method": {"kind": "lora", "r": 8, "alpha": 16},
    "data": {
        "name": "builtin:instructions",
        "template": "plain",
        "held_out_rows": 48,
        "max_length": 128,
    },
    "optim": {"lr": 5e-3, "warmup_steps": 2},
    "parallel": {"strategy": "sharded", "timeout": 60, "prepare_timeout": 120},
    "loop": {"max_steps": 20, "per_device_batch_size": 8},
}


def recipe(changes: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """The tiny recipe with other values of some keys; a method has keys of its own, and is given
    whole."""
    methods = {name: dict(values) for name, values in changes.items() if name == "method"}
    return {name: TINY[name] | dict(changes.get(name, {})) for name in TINY} | methods
