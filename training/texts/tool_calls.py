"""Calls of tools, as chat templates read them.

OpenAI's interface has the arguments of a call as JSON in a string; transformers' templates are
written for an object (its page "Tool use"), and servers make one of it before they render. So an
object it is. Some templates can only join strings: for them the arguments become JSON again.
"""

import json
from collections.abc import Callable, Mapping
from typing import Any

from training.texts.bad_row import bad_row

Call = dict[str, Any]


def calls_of(where: str, turn: str, value: Any) -> list[Call]:
    """A list of calls, whatever holds it: a list, one call, or JSON of either."""
    found = from_json(value)
    found = [found] if isinstance(found, Mapping) else found
    if not isinstance(found, list) or not all(isinstance(call, Mapping) for call in found):
        raise bad_row(where, f"the tool calls of {turn} are not a list of objects")
    return [_each(call, from_json) for call in found]


def spoken(where: str, turn: str, text: Any) -> list[Call]:
    """The calls of a turn of which the text is one (ShareGPT's function_call)."""
    calls = calls_of(where, turn, text)
    if not all("name" in call or "function" in call for call in calls):
        raise bad_row(where, f"{turn} is a call of a tool, but names none")
    return [
        call if "function" in call else {"type": "function", "function": call} for call in calls
    ]


def with_text_arguments(calls: list[Call]) -> list[Call]:
    """The arguments as JSON in a string, written as templates' own `tojson` does."""
    return [_each(call, _to_json) for call in calls]


def from_json(value: Any) -> Any:
    """What JSON in a string says where it is an object or a list; every other value as it is."""
    if not isinstance(value, str):
        return value
    try:
        found = json.loads(value)
    except (ValueError, RecursionError):
        return value
    return found if isinstance(found, dict | list) else value


def _to_json(value: Any) -> Any:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _each(call: Mapping[str, Any], change: Callable[[Any], Any]) -> Call:
    """The call with its arguments changed, wherever it has them."""
    changed = dict(call)
    if isinstance(changed.get("function"), Mapping):
        changed["function"] = _each(changed["function"], change)
    if changed.get("arguments") is not None:
        changed["arguments"] = change(changed["arguments"])
    return changed
