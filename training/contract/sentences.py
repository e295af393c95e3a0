"""What is wrong with a value, in a person's words: pydantic's own never reach anybody.

A value is not repeated: it may be a secret.
"""

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

_EXPECTED = {
    "a list is expected, such as [a, b]": (
        "list_type",
        "tuple_type",
        "set_type",
        "frozen_set_type",
    ),
    "a mapping is expected, such as `key: value`": (
        "dict_type",
        "mapping_type",
        "model_type",
        "model_attributes_type",
        "dataclass_type",
    ),
    "a whole number is expected": (
        "int_type",
        "int_parsing",
        "int_parsing_size",
        "int_from_float",
    ),
    "a number is expected": ("float_type", "float_parsing"),
    "a finite number is expected": ("finite_number",),
    "true or false is expected": ("bool_type", "bool_parsing"),
    "a time is expected, such as 2026-11-24T16:30:00Z": (
        "datetime_type",
        "datetime_parsing",
        "datetime_from_date_parsing",
        "datetime_object_invalid",
        "timezone_naive",
    ),
    "nothing is expected here": ("none_required",),
    "this key is missing": ("missing", "union_tag_not_found"),
    "unknown key": ("extra_forbidden",),
    "it is not JSON": ("json_invalid", "json_type"),
}
_PLAIN = {kind: words for words, kinds in _EXPECTED.items() for kind in kinds}

_BOUNDS = {
    "greater_than_equal": "at least {ge} is expected",
    "greater_than": "more than {gt} is expected",
    "less_than_equal": "at most {le} is expected",
    "less_than": "less than {lt} is expected",
    "multiple_of": "a multiple of {multiple_of} is expected",
    "too_short": "a list of at least {min_length} is expected, such as [a, b]",
    "too_long": "a list of at most {max_length} is expected",
    "string_too_short": "text of {min_length} or more characters is expected",
    "string_too_long": "text of {max_length} characters at most is expected",
    "literal_error": "{expected} is expected",
    "enum": "{expected} is expected",
    "union_tag_invalid": "one of {expected_tags} is expected",
}


def sentence(fault: Mapping[str, Any], words: Mapping[str, str]) -> str:
    """One fault of a ValidationError. `words`: what each pattern asks for."""
    kind, given, context = fault["type"], fault["input"], fault.get("ctx", {})
    if kind == "string_pattern_mismatch":
        asked = words.get(context["pattern"], "it has another form")
        return f"what stands there does not fit: {asked}"
    if kind == "string_type":
        quotes = isinstance(given, int | float)
        return "text is expected" + (": put it in quotes" if quotes else "")
    if kind in _BOUNDS:
        return _BOUNDS[kind].format_map(context)
    if kind in ("value_error", "assertion_error"):
        return str(context["error"])
    return _PLAIN.get(kind, "a value of another kind is expected")


def location(fault: Mapping[str, Any]) -> tuple[str | int, ...]:
    """The keys that lead to it; what selects one of several sections is a key, too."""
    context = fault.get("ctx", {})
    below = getattr(context.get("error"), "below", ())
    tag = (context["discriminator"].strip("'"),) if fault["type"].startswith("union_tag") else ()
    return (*fault["loc"], *below, *tag)


def told(error: ValidationError, words: Mapping[str, str]) -> list[str]:
    """All faults, each as `key: what is wrong`, for who has no better place of it."""
    lines = []
    for fault in error.errors(include_url=False):
        key = ".".join(map(str, location(fault)))
        said = sentence(fault, words)
        lines.append(f"{key}: {said}" if key else said)
    return lines


def listed(value: object) -> object:
    """One word in the place of a list is a list of it."""
    return (value,) if isinstance(value, str) else value
