"""What stands in the content of a turn: a text, or parts of which each is one."""

from typing import Any

from training.texts.bad_row import bad_row, not_text

Content = str | list[dict[str, str]]

_TEXT = ("text", "input_text", "output_text")


def content_of(where: str, turn: str, value: Any) -> Content | None:
    """The text, or its parts as transformers has them; empty parts are left out, null stays null.

    Raises `ConfigurationError` for parts that are no text (images, audio), and other values.
    """
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, list | tuple):
        parts = [_part(where, turn, part) for part in value]
        return [{"type": "text", "text": text} for text in parts if text]
    raise not_text(where, f"the content of {turn}", value)


def is_empty(content: Content | None) -> bool:
    """Whether nothing but white space stands in it."""
    return content is None or not joined(content).strip()


def joined(content: Content) -> str:
    """One text. Templates that go through parts write one after the other."""
    if isinstance(content, str):
        return content
    return "".join(part["text"] for part in content)


def _part(where: str, turn: str, part: Any) -> str:
    if isinstance(part, str):
        return part
    if not isinstance(part, dict):
        raise not_text(where, f"a part of the content of {turn}", part)
    kind = part.get("type") or "text"
    if kind not in _TEXT:
        raise bad_row(
            where,
            f"the content of {turn} has a part of type {kind}: only texts are trained here",
            "Leave rows with other parts out, or take these parts out of them.",
        )
    text = part.get("text")
    if text is not None and not isinstance(text, str):
        raise not_text(where, f"a part of the content of {turn}", text)
    return text or ""
