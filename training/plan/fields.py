"""The fields of a config.json, read with care: it is a file from elsewhere."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

_MOST = 2**40
"""No number of a model is larger; Python would reckon with any."""
MOST_LAYERS = 1000
"""Layers are gone through one by one."""


class NotUnderstood(Exception):
    """Why nothing is known of a model, in words. A wrong number would be worse than none."""


@dataclass(frozen=True)
class Fields:
    """One object of a config.json, and what its model class takes where a field is not there.

    A null counts as no value, and then the default does.
    """

    given: Mapping[str, Any]
    defaults: Mapping[str, Any] = field(default_factory=dict)

    def get(self, *names: str) -> Any:
        """The first of the names that has a value, else a default; None without one."""
        for source in (self.given, self.defaults):
            for name in names:
                if (value := source.get(name)) is not None:
                    return value
        return None

    def names(self, name: str) -> bool:
        """Whether the file has it, be it null, or the class has a default."""
        return name in self.given or name in self.defaults

    def number(self, *names: str, least: int = 1, most: int = _MOST) -> int:
        """Raises NotUnderstood where there is no whole number within these bounds."""
        value = self.get(*names)
        if value is None:
            raise NotUnderstood(f"its config.json has no {names[0]}")
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            raise NotUnderstood(f"{names[0]} in its config.json is no number of a model")
        return value

    def flag(self, *names: str) -> bool:
        """False where there is none. Raises NotUnderstood for what is neither true nor false."""
        value = self.get(*names)
        if value is None:
            return False
        if not isinstance(value, bool):
            raise NotUnderstood(f"{names[0]} in its config.json is neither true nor false")
        return value

    def words(self, name: str, count: int) -> list[str] | None:
        """A list of `count` words, such as the kinds of the layers; None where there is none."""
        value = self.get(name)
        if value is None:
            return None
        if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
            raise NotUnderstood(f"{name} in its config.json is no list of words")
        if len(value) != count:
            raise NotUnderstood(f"{name} in its config.json has {len(value)} entries, not {count}")
        return value

    def numbers(self, name: str) -> list[int]:
        """A list of whole numbers; empty where there is none."""
        value = self.get(name) or []
        if not isinstance(value, list) or any(type(one) is not int for one in value):
            raise NotUnderstood(f"{name} in its config.json is no list of numbers")
        return value

    def part(self, name: str, defaults: Mapping[str, Any] | None = None) -> "Fields | None":
        """An object inside of this one; None where there is none."""
        value = self.get(name)
        if value is None:
            return None
        if not isinstance(value, Mapping):
            raise NotUnderstood(f"{name} in its config.json is no object")
        return Fields(value, defaults or {})
