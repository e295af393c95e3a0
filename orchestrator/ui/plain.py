"""Text from outside as text: nothing in it moves the cursor, hides, or turns a line around.

A node, a container, a log or a recipe may hold any character. Those that a terminal obeys, and
those that nobody can see, are shown by their number.
"""

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # errors are shown before any model is needed
    from pydantic import BaseModel

_HIDDEN = re.compile(
    "["
    "\x00-\x08\x0b-\x1f\x7f-\x9f"  # C0 without tab and newline, DEL, C1
    "\xad\u034f\u0600-\u0605\u061c\u06dd\u070f\u0890\u0891\u08e2\u115f\u1160\u17b4\u17b5"
    "\u180b-\u180f\u200b-\u200f\u2028-\u202e\u2060-\u206f\u3164\ufeff\uffa0\ufff0-\ufffb"
    "\ud800-\udfff"  # halves of a pair: no stream can write them
    "\U000110bd\U000110cd\U00013430-\U0001343f\U0001bca0-\U0001bca3\U0001d173-\U0001d17a"
    "\U000e0000-\U000e0fff"  # tags: ASCII that nobody sees
    "]"
)


def visible(text: str) -> str:
    """The text with its hidden characters shown: `\\x1b`, `<U+202E>`. Newlines and tabs stay."""
    return _HIDDEN.sub(_shown, text)


def one_line(text: str) -> str:
    """The same, and a newline is shown too: no name can forge a line of ours."""
    return visible(text).replace("\n", "\\n")


def json_text(
    document: "BaseModel | Mapping[str, Any] | list[Any]", indent: int | None = None
) -> str:
    """The document as JSON that is safe to look at in a terminal; it parses to the same values."""
    import json

    data = document if isinstance(document, Mapping | list) else document.model_dump(mode="json")
    text = json.dumps(data, ensure_ascii=False, indent=indent, default=str)
    # JSON escapes C0 by itself, and all else that is hidden can only be inside of a string.
    return _HIDDEN.sub(lambda found: json.dumps(found[0])[1:-1], text)


def _shown(found: re.Match[str]) -> str:
    number = ord(found[0])
    return f"\\x{number:02x}" if number < 0x100 else f"<U+{number:04X}>"
