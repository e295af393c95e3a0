"""pydantic's faults in a person's words. Of values only names are repeated: others may be secrets.

What stands where a secret's name belongs may well be the secret.
"""

import re
from collections.abc import Mapping
from typing import Any

from orchestrator.spec import patterns
from orchestrator.spec.patterns import NAME, SECRET, STACK_NAME
from training.contract import config as training
from training.gang import config as gang

WORDS = patterns.WORDS | training.WORDS | gang.WORDS
"""What each pattern of the declarative API asks for."""

_PLAIN = {
    "missing": "this key is missing",
    "list_type": "a list is expected",
    "dict_type": "a mapping is expected, such as `key: value`",
    "model_type": "a mapping is expected, such as `key: value`",
    "int_type": "a whole number is expected",
    "int_parsing": "a whole number is expected",
    "int_from_float": "a whole number is expected",
    "float_type": "a number is expected",
    "float_parsing": "a number is expected",
    "bool_type": "true or false is expected",
    "bool_parsing": "true or false is expected",
}

_BOUNDS = {
    "greater_than_equal": ("at least", "ge"),
    "greater_than": ("more than", "gt"),
    "less_than_equal": ("at most", "le"),
    "less_than": ("less than", "lt"),
}


def sentence(fault: Mapping[str, Any]) -> str:
    """What is wrong with one value; others report where it is."""
    kind, given, context = fault["type"], fault["input"], fault.get("ctx", {})
    if kind == "string_pattern_mismatch" and context["pattern"] in WORDS:
        return _misfit(str(given), context["pattern"], fault["loc"])
    if kind == "string_type":
        quotes = isinstance(given, int | float)
        return "text is expected" + (": put it in quotes" if quotes else "")
    if kind in _BOUNDS:
        word, bound = _BOUNDS[kind]
        return f"{word} {context[bound]} is expected"
    if kind == "literal_error":
        return f"{context['expected']} is expected"
    return _PLAIN.get(kind) or str(fault["msg"]).removeprefix("Value error, ")


def _misfit(given: str, pattern: str, location: tuple[str | int, ...]) -> str:
    is_name = pattern in patterns.WORDS and pattern != SECRET
    given_there = repr(given) if is_name else "what stands there"
    words = f"{given_there} does not fit: {WORDS[pattern]}"
    near = _as_name(given)
    if pattern not in (NAME, STACK_NAME) or not re.search(pattern, near):
        return words
    is_host = "nodes" in location and re.fullmatch(r"[\w.-]+", given)
    ssh = f", and `ssh: {given}` if it is reached under that name" if is_host else ""
    return f"{words}; write {near!r}{ssh}"


def _as_name(given: str) -> str:
    """The first part of a host name, with dashes for what a name must not have."""
    return re.sub(r"[^a-z0-9]+", "-", given.partition(".")[0].lower()).strip("-")
