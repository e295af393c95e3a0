"""The keys of the files that people write, and an example of each that `--set` takes."""

from collections.abc import Mapping
from functools import cache
from typing import Any

from pydantic import BaseModel

from orchestrator.engines.spec import EngineSpec
from orchestrator.spec.cluster import ClusterSpec
from orchestrator.spec.describe import Key, keys_of
from orchestrator.spec.parse import parse_document
from orchestrator.spec.shipped import shipped_text, stack_names
from orchestrator.spec.stack import StackSpec

_FIXED = ("apiVersion", "kind")


@cache
def keys_by_file() -> Mapping[str, tuple[Key, ...]]:
    """By the kind of file: stack, cluster, engine."""
    models: dict[str, type[BaseModel]] = {
        "stack": StackSpec,
        "cluster": ClusterSpec,
        "engine": EngineSpec,
    }
    return {file: tuple(keys_of(model)) for file, model in models.items()}


def settable() -> tuple[Key, ...]:
    """The keys of a stack that `--set` takes: not sections, nor what is inside of a list."""
    return tuple(key for key in keys_by_file()["stack"] if _is_settable(key))


def example_of(file: str, key: Key) -> str | None:
    """As the shipped stacks have it, else another value than the default; None: there is none."""
    if file != "stack" or not _is_settable(key):
        return None
    choices = ("True", "False") if key.type == "boolean" else key.values
    others = [value for value in choices if f"`{value}`" != key.default]
    found = [*_written(key.path), *others, key.default.strip("`")]
    value = _as_yaml(found[0], key.type)
    return f"--set {_quoted(f'{key.path}={value}')}" if value not in ("", "required") else None


def _is_settable(key: Key) -> bool:
    return not key.type.endswith("section") and "[]" not in key.path and key.path not in _FIXED


def _as_yaml(value: Any, type_: str) -> str:
    """A list in brackets, `true` instead of `True`."""
    if type_.startswith("list") and not isinstance(value, list):
        value = value if value.startswith("[") else [value] if value else value
    text = ", ".join(map(str, value)).join("[]") if isinstance(value, list) else str(value)
    return text.lower() if text in ("True", "False") else text


def _quoted(setting: str) -> str:
    """For a shell."""
    return f'"{setting}"' if any(char in setting for char in " []{}'*~") else setting


@cache
def _shipped() -> tuple[Any, ...]:
    return tuple(parse_document(shipped_text(name), source=name).data for name in stack_names())


def _written(path: str) -> list[Any]:
    """The values that the shipped stacks give this key."""
    found: list[Any] = []
    for stack in _shipped():
        at: Any = stack
        for part in path.split("."):
            at = at.get(part) if isinstance(at, dict) else None
        if at is not None and not isinstance(at, dict):
            found.append(at)
    return found
