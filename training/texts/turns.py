"""Turns of a conversation as rows have them, each whole: OpenAI's and ShareGPT's."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from training.texts.bad_row import bad_row, not_text
from training.texts.content import content_of, is_empty
from training.texts.example import Turn
from training.texts.tool_calls import calls_of, from_json, spoken

_ROLES = {
    **{role: role for role in ("system", "developer", "user", "assistant", "tool")},
    **dict.fromkeys(("human", "prompter"), "user"),
    **dict.fromkeys(("gpt", "chatgpt", "bard", "bing", "bot", "model"), "assistant"),
    **dict.fromkeys(("function_call", "tool_call"), "assistant"),
    **dict.fromkeys(
        ("observation", "function", "function_response", "tool_response", "ipython"), "tool"
    ),
}
"""Names of roles as rows have them, and what chat templates call them."""

_CALLS = ("function_call", "tool_call")
"""Roles whose text is a call of a tool."""

_OURS = ("role", "from", "content", "value", "train", "weight", "function_call")
"""Keys that are read here; all others go to the template as they are."""


class Turns(NamedTuple):
    """A conversation, and which of its answers are not learned (by their places)."""

    turns: tuple[Turn, ...]
    unlearned: frozenset[int]


def turns_of(where: str, name: str, value: Any) -> Turns:
    """The turns in column `name`; empty turns of the system are left out.

    Raises `ConfigurationError` that names the turn.
    """
    found = from_json(value)
    if not isinstance(found, list | tuple):
        raise bad_row(where, f"{name} must be a list of turns")
    turns: list[Turn] = []
    unlearned = set()
    for number, given in enumerate(found, start=1):
        turn, learned = _turn(where, f"turn {number} of {name}", given)
        if turn["role"] in ("system", "developer") and is_empty(turn["content"]):
            continue
        if not learned:
            unlearned.add(len(turns))
        turns.append(turn)
    return Turns(tuple(turns), frozenset(unlearned))


def says_nothing(turn: Turn) -> bool:
    """Whether it is an answer without a text and without a call."""
    return turn["role"] == "assistant" and is_empty(turn["content"]) and not turn.get("tool_calls")


def plain(where: str, name: str, value: Any) -> Any:
    """A copy of what JSON can say. Raises `ConfigurationError` for other values: dates, bytes."""
    if value is None or isinstance(value, str | bool | int | float):
        return value
    if isinstance(value, Mapping):
        return {str(key): plain(where, name, item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(where, name, item) for item in value]
    raise not_text(where, name, value)


def _turn(where: str, name: str, given: Any) -> tuple[Turn, bool]:
    """The turn, and whether it may be learned."""
    if not isinstance(given, Mapping):
        raise bad_row(where, f"{name} is not an object with a role and a content")
    said = given.get("role") or given.get("from")
    role = _ROLES.get(said.lower()) if isinstance(said, str) else None
    if role is None:
        raise bad_row(
            where,
            f"{name} has the role {said}",
            f"Known are {', '.join(_ROLES)}.",
        )
    content = given.get("content") if given.get("content") is not None else given.get("value")
    turn = {"role": role, "content": content_of(where, name, _unless_call(said, content))}
    turn |= {key: plain(where, f"{key} of {name}", given[key]) for key in given if key not in _OURS}
    if calls := _calls(where, name, given, said, content):
        turn["tool_calls"] = calls
        if is_empty(turn["content"]):
            turn["content"] = None  # some templates tell a call by it
    else:
        turn.pop("tool_calls", None)
    if role == "user" and is_empty(turn["content"]):
        raise bad_row(where, f"{name} (user) is empty")
    return turn, _learned(where, name, given)


def _unless_call(said: Any, content: Any) -> Any:
    return None if said in _CALLS else content


def _calls(where: str, name: str, given: Turn, said: Any, content: Any) -> list[dict[str, Any]]:
    """Its calls of tools: its own key, OpenAI's former one, or its text."""
    if said in _CALLS:
        return spoken(where, name, plain(where, name, content))
    if given.get("tool_calls"):
        return calls_of(where, name, plain(where, f"tool_calls of {name}", given["tool_calls"]))
    if given.get("function_call"):
        return spoken(where, name, plain(where, f"function_call of {name}", given["function_call"]))
    return []


def _learned(where: str, name: str, given: Turn) -> bool:
    """`weight` is OpenAI's (0 or 1), `train` is what others write."""
    for key in ("weight", "train"):
        wanted = given.get(key)
        if wanted is not None and wanted not in (0, 1):
            raise bad_row(where, f"{key} of {name} is {wanted}: an answer counts (1) or not (0)")
        if wanted is not None and not wanted:
            return False
    return True
