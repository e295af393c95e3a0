"""The tokenizer of a base, or an error that says what it lacks for training."""

import json
from pathlib import Path
from typing import Any

from transformers import AutoTokenizer, PreTrainedTokenizerBase

from training.contract.errors import ConfigurationError, first_line
from training.texts.stops import stops_of
from training.texts.template import chat_template as template_of
from training.tokens.embeddings import embeddings_of
from training.tokens.encode import Encoder


def tokenizer_of(folder: Path, chat_template: str | None) -> PreTrainedTokenizerBase:
    """As transformers loads it from a checkpoint's folder, without running code that lies there.

    `chat_template`: a file; None: what comes with the tokenizer.
    Raises ConfigurationError for one that does not load, that does not say where in a text a token
    is (what is learned is found by that), that has no token for the end of an answer (nor has the
    model's generation_config.json), and that has tokens beyond the model's embeddings.
    """
    try:
        tokenizer: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(
            folder, local_files_only=True, trust_remote_code=False
        )
    except Exception as unfit:  # each of its classes checks in its own way
        raise _unfit(
            f"{folder}: {first_line(unfit)}",
            "The transformers of the training image must know the model and its tokenizer; code "
            "that comes with a model is not run.",
        ) from None
    if not tokenizer.is_fast:
        raise _unfit(
            f"{folder}: {type(tokenizer).__name__} has no fast form, and does not say where in a "
            "text a token is",
            "Add a tokenizer.json: most slow tokenizers can be converted by transformers.",
        )
    if tokenizer.eos_token_id is None:
        tokenizer.eos_token = next(iter(_stops(tokenizer, folder)), None)
    if tokenizer.eos_token_id is None:
        raise _unfit(
            f"{folder}: the tokenizer has no eos_token, so no answer would ever end",
            "Set eos_token in tokenizer_config.json to the token that ends an answer.",
        )
    _require_rows(tokenizer, folder)
    if chat_template:
        tokenizer.chat_template = _read(Path(chat_template))
    return tokenizer


def encoder_of(tokenizer: PreTrainedTokenizerBase, folder: Path | None = None) -> Encoder:
    """The tokenizer and its chat template, without transformers.

    `folder`: of the base; its configuration says where the model stops, and how many tokens it
    knows. Raises ConfigurationError for a template that cannot be read.
    """
    special_tokens = {
        name: str(token)
        for name, token in tokenizer.special_tokens_map.items()
        if not isinstance(token, list)
    }
    source = tokenizer.chat_template
    return Encoder(
        tokenizer.backend_tokenizer.to_str(),
        tokenizer.eos_token_id,
        template_of(source, special_tokens, _stops(tokenizer, folder)) if source else None,
        embeddings_of(_settings(folder, "config.json")),
    )


def _stops(tokenizer: PreTrainedTokenizerBase, folder: Path | None) -> tuple[str, ...]:
    def text_of(token: int) -> str | None:
        return tokenizer.decode([token]) if token < len(tokenizer) else None

    # Without generation settings transformers takes them from the model's configuration.
    files = ("generation_config.json", "config.json")
    settings = next(filter(None, (_settings(folder, name) for name in files)), {})
    return stops_of(tokenizer.eos_token, settings, text_of)


def _require_rows(tokenizer: PreTrainedTokenizerBase, folder: Path) -> None:
    """Of the tokens that any text may have. Others that are added (for images) may lie beyond, and
    are refused where a row has one. On a GPU such a token ends in a failed assertion."""
    rows = embeddings_of(_settings(folder, "config.json"))
    named = {
        "eos_token": tokenizer.eos_token_id,
        "bos_token": tokenizer.bos_token_id,
        "pad_token": tokenizer.pad_token_id,
        "last token": tokenizer.vocab_size - 1,
    }
    for name, token in named.items():
        if rows is not None and token is not None and token >= rows:
            raise _unfit(
                f"{folder}: the {name} of the tokenizer is number {token}, but the model has "
                f"embeddings for {rows} tokens (numbers from 0)",
                "Use the tokenizer that belongs to this model; tokenizer_config.json names eos, "
                "bos and pad tokens.",
            )


def _settings(folder: Path | None, name: str) -> dict[str, Any]:
    """A JSON file of the base; none there says nothing."""
    file = folder / name if folder else None
    if file is None or not file.is_file():
        return {}
    try:
        settings = json.loads(_read(file))
    except (ValueError, RecursionError) as broken:
        raise _unfit(f"{file}: {first_line(broken)}", "Get the model's file again.") from None
    return settings if isinstance(settings, dict) else {}


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as unreadable:
        raise ConfigurationError(
            "data_unreadable", f"{file}: {unreadable}", "The file must be on every node."
        ) from None


def _unfit(problem: str, remedy: str) -> ConfigurationError:
    return ConfigurationError("tokenizer_unfit", problem, remedy)
