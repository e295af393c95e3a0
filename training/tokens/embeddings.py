"""How many tokens a model knows."""

from collections.abc import Mapping
from typing import Any


def embeddings_of(config: Mapping[str, Any]) -> int | None:
    """Tokens that it has embeddings for (numbers from 0). None: its config.json does not say."""
    text = config.get("text_config")
    sizes = [part.get("vocab_size") for part in (config, text) if isinstance(part, dict)]
    return next((size for size in sizes if type(size) is int and size > 0), None)
