"""The files of a model's tokenizer, on this computer: of its folder, the cache, or the Hub."""

import json
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from orchestrator.artifacts.hub import NotThere, Unread, read_file
from training.contract.config import ModelConfig

TOKENIZER = "tokenizer.json"
_LARGEST = 64 * 2**20
"""Bytes; the tokenizers of 2026 have 2 to 35 million."""
_DEADLINE = 60.0
"""Seconds for each file."""


@dataclass(frozen=True)
class TokenizerFiles:
    """What is needed to write out conversations and to count tokens as a run does."""

    where: str
    """In words: who reads it knows which files were taken."""
    tokenizer: str
    """`tokenizer.json`."""
    config: Mapping[str, Any]
    """`tokenizer_config.json`."""
    generation: Mapping[str, Any]
    """`generation_config.json`; empty where the model has none."""
    model: Mapping[str, Any]
    """`config.json`: how many tokens the model knows."""
    chat_template: str | None
    """`chat_template.jinja`, the newer place of it."""


def of_folder(folder: Path) -> TokenizerFiles:
    """Those of a checkpoint's folder. Raises Unread."""
    return _read(str(folder), lambda name: _of_disk(folder / name))


def of_cache(model: ModelConfig, environ: Mapping[str, str]) -> TokenizerFiles:
    """Those that this computer's Hugging Face cache has of a model of the Hub. Raises Unread."""
    snapshot = _snapshot(model, environ)
    if snapshot is None or not (snapshot / TOKENIZER).is_file():
        raise Unread(f"this computer's Hugging Face cache has no tokenizer of {model.name}")
    return _read("this computer's Hugging Face cache", lambda name: _of_disk(snapshot / name))


def of_hub(model: ModelConfig, token: str | None, environ: Mapping[str, str]) -> TokenizerFiles:
    """Those of a model of the Hub, read there. Raises Unread."""

    def read(name: str) -> bytes:
        return read_file(
            model.name, model.revision, name, token, environ, deadline=_DEADLINE, largest=_LARGEST
        )

    return _read("the Hub", read)


def _read(where: str, read: Callable[[str], bytes]) -> TokenizerFiles:
    try:
        tokenizer = _text(TOKENIZER, read(TOKENIZER))
    except NotThere as missing:
        raise Unread(f"{missing}; without it nobody counts tokens here") from None
    return TokenizerFiles(
        where,
        tokenizer,
        _object("tokenizer_config.json", read),
        _object("generation_config.json", read),
        _object("config.json", read),
        _or_none("chat_template.jinja", read),
    )


def _of_disk(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except FileNotFoundError:
        raise NotThere(f"there is no {file}") from None
    except OSError as error:
        raise Unread(f"{file} cannot be read: {error.strerror}") from None


def _or_none(name: str, read: Callable[[str], bytes]) -> str | None:
    try:
        return _text(name, read(name))
    except NotThere:
        return None


def _object(name: str, read: Callable[[str], bytes]) -> Mapping[str, Any]:
    text = _or_none(name, read)
    try:
        found = {} if text is None else json.loads(text)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise Unread(f"{name} of the model is no JSON object")
    return found


def _text(name: str, body: bytes) -> str:
    try:
        return body.decode("utf-8")
    except UnicodeDecodeError:
        raise Unread(f"{name} of the model is no text") from None


def _snapshot(model: ModelConfig, environ: Mapping[str, str]) -> Path | None:
    """The model's folder in the cache, as huggingface_hub lays it out."""
    home = environ.get("HF_HOME") or os.path.expandvars("$HOME/.cache/huggingface")
    cache = Path(environ.get("HF_HUB_CACHE") or Path(home) / "hub").expanduser()
    folder = cache / f"models--{model.name.replace('/', '--')}"
    try:
        commit = (folder / "refs" / model.revision).read_text(encoding="ascii").strip()
    except (OSError, ValueError):
        commit = model.revision
    if not re.fullmatch(r"[0-9a-f]{40}", commit):
        return None
    return folder / "snapshots" / commit
