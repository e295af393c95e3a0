"""Tokens at which a model stops. What is learned of an answer has to end in one."""

from collections.abc import Callable, Mapping
from typing import Any


def stops_of(
    eos: str | None, generation: Mapping[str, Any], text_of: Callable[[int], str | None]
) -> tuple[str, ...]:
    """Their texts: the tokenizer's eos, and those of the model's generation settings.

    `text_of`: the text of a token id; None where there is no such token.
    """
    ids = generation.get("eos_token_id")
    named = [ids] if isinstance(ids, int) else ids if isinstance(ids, list) else []
    texts = [eos, *(text_of(token) for token in named if type(token) is int and token >= 0)]
    return tuple(dict.fromkeys(text for text in texts if text))


def last_stop(text: str, stops: tuple[str, ...]) -> str | None:
    """The stop that the text ends in; white space may follow, as most templates write some."""
    ended = text.rstrip()
    return next((stop for stop in stops if stop.strip() and ended.endswith(stop.strip())), None)
