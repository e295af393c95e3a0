"""The tokenizer of a base, or an error that says what it lacks for training."""

from pathlib import Path

from transformers import AutoTokenizer, PreTrainedTokenizerBase

from training.contract.errors import ConfigurationError, first_line
from training.texts.template import ChatTemplate
from training.tokens.encode import Encoder


def tokenizer_of(folder: Path, chat_template: str | None) -> PreTrainedTokenizerBase:
    """As transformers loads it from a checkpoint's folder, without running code that lies there.

    `chat_template`: a file; None: what comes with the tokenizer.
    Raises ConfigurationError for one that does not load, that does not say where in a text a token
    is (what is learned is found by that), and that has no token for the end of an answer.
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
        raise _unfit(
            f"{folder}: the tokenizer has no eos_token, so no answer would ever end",
            "Set eos_token in tokenizer_config.json to the token that ends an answer.",
        )
    if chat_template:
        tokenizer.chat_template = _read(Path(chat_template))
    return tokenizer


def encoder_of(tokenizer: PreTrainedTokenizerBase) -> Encoder:
    """The tokenizer and its chat template, without transformers."""
    source = tokenizer.chat_template
    if isinstance(source, dict):
        source = source.get("default")
    special_tokens = {name: str(token) for name, token in tokenizer.special_tokens_map.items()}
    return Encoder(
        tokenizer.backend_tokenizer.to_str(),
        tokenizer.eos_token_id,
        ChatTemplate(source, special_tokens) if source else None,
    )


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as unreadable:
        raise ConfigurationError(
            "data_unreadable", f"{file}: {unreadable}", "The file must be on every node."
        ) from None


def _unfit(problem: str, remedy: str) -> ConfigurationError:
    return ConfigurationError("tokenizer_unfit", problem, remedy)
