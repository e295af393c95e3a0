"""`{{ name }}` in an engine's files and words; nothing more, so a template runs no code here."""

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

from orchestrator.errors import SpecError

_NAME = re.compile(r"\{\{\s*([A-Za-z_][\w.]*)\s*\}\}")


def filled_file(text: str, values: Mapping[str, Any], place: str) -> str:
    """A file: every value as JSON, which YAML is as well. Raises SpecError for an unknown name."""
    return _filled(text, values, place, lambda value: json.dumps(value, indent=2))


def filled_word(text: str, values: Mapping[str, Any], place: str) -> str:
    """An argument or a variable: text as it is, all else as JSON."""
    return _filled(
        text, values, place, lambda value: value if isinstance(value, str) else json.dumps(value)
    )


def _filled(text: str, values: Mapping[str, Any], place: str, written: Callable[[Any], str]) -> str:
    def value(found: re.Match[str]) -> str:
        if found[1] not in values:
            known = ", ".join(name for name in values if "." not in name)
            raise SpecError(
                f"{place}: there is no value called {found[1]}",
                resolution=f"Known: {known}; training.KEY is a setting of the recipe.",
            )
        return written(values[found[1]])

    return _NAME.sub(value, text)
