"""A turn that tells what a template has read of it."""

from collections.abc import ItemsView, Iterator, KeysView, Mapping, ValuesView
from typing import Any

REASONING = ("reasoning_content", "thinking", "reasoning")
"""Names of one thing: the thoughts before an answer. The first is read by most templates."""

_TOLD = {"role", "content"}


class WatchedTurn(dict[str, Any]):
    """The turn as transformers gives it to a template (`apply_chat_template`): the thoughts under
    the names that templates know.

    A key counts as read when its value was asked for. That it is there does not count.
    """

    def __init__(self, turn: Mapping[str, Any], read: set[str]) -> None:
        thoughts = next((turn[name] for name in REASONING if turn.get(name) is not None), None)
        named = {} if thoughts is None else {"reasoning_content": thoughts}
        aside = {} if thoughts is None else {"thinking": thoughts}
        super().__init__({**aside, **turn, **named})
        self._read = read  # Jinja's sandbox shows no template a name with an underscore

    def __getitem__(self, key: str) -> Any:
        self._read.add(key)
        return super().__getitem__(key)

    def get(self, key: str, default: Any = None) -> Any:
        self._read.add(key)
        return super().get(key, default)

    def __iter__(self) -> Iterator[str]:
        self._read.update(super().keys())
        return super().__iter__()

    def keys(self) -> KeysView[str]:  # type: ignore[override]
        self._read.update(super().keys())
        return super().keys()

    def values(self) -> ValuesView[Any]:  # type: ignore[override]
        self._read.update(super().keys())
        return super().values()

    def items(self) -> ItemsView[str, Any]:  # type: ignore[override]
        self._read.update(super().keys())
        return super().items()


def unread(turn: Mapping[str, Any], read: set[str]) -> frozenset[str]:
    """Keys of this turn that hold something, and of which nothing was read.

    Not its role and its content: these have to be seen in the text.
    """
    known = read | _TOLD | (set(REASONING) if not read.isdisjoint(REASONING) else set())
    return frozenset(key for key, value in turn.items() if value is not None and key not in known)
