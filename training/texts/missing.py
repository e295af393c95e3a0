"""What an answer says and a text does not: templates drop what they have no form for."""

import re
from typing import Any

from training.texts.content import is_empty, joined
from training.texts.example import Turn
from training.texts.watched_turn import REASONING

_THINK = re.compile(r"</?think(?:ing)?>")


def missing(answer: Turn, text: str) -> frozenset[str]:
    """Parts of this answer that are not in the text, in words like the names of keys."""
    said = [part.strip() for part in _THINK.split(joined(answer["content"] or ""))]
    gone = [part for part in said if part not in text]
    words = {key for key in REASONING if _thoughts(answer, key) not in text}
    if gone:
        words.add("content (assistant)" if gone == [part for part in said if part] else "<think>")
    if _lost_calls(answer, text):
        words.add("tool_calls")
    return frozenset(words)


def is_lost(answer: Turn, text: str) -> bool:
    """Whether it is a call of tools, and the text has no call of them."""
    return is_empty(answer["content"]) and _lost_calls(answer, text)


def _thoughts(answer: Turn, key: str) -> str:
    thoughts = answer.get(key)
    return thoughts.strip() if isinstance(thoughts, str) else ""


def _lost_calls(answer: Turn, text: str) -> bool:
    return not all(name in text for name in map(_name, answer.get("tool_calls", ())))


def _name(call: dict[str, Any]) -> str:
    function = call.get("function")
    return str((function if isinstance(function, dict) else call).get("name") or "")
