"""An encoder from the files of a tokenizer, where there is no transformers to load it."""

from collections.abc import Mapping
from typing import Any

from tokenizers import Tokenizer

from training.contract.errors import ConfigurationError, first_line
from training.texts.template import ChatTemplate
from training.tokens.encode import Encoder

_NAMED = tuple(f"{name}_token" for name in ("bos", "eos", "unk", "sep", "pad", "cls", "mask"))


def encoder_of_files(
    tokenizer: str, config: Mapping[str, Any], chat_template: str | None
) -> Encoder:
    """`tokenizer`: tokenizer.json; `config`: tokenizer_config.json; `chat_template`: a file's.

    Reads them as transformers' `TokenizersBackend` does (5.23): tokenizer.json alone says which
    marks a text gets, whatever `add_bos_token` says. A class that builds its tokenizer from the
    vocabulary is not followed. Raises ConfigurationError.
    """
    try:
        read = Tokenizer.from_str(tokenizer)
    except Exception as unfit:  # the library raises nothing more precise
        raise ConfigurationError(
            "tokenizer_unfit", f"tokenizer.json is not understood: {first_line(unfit)}"
        ) from None
    special_tokens = _special_tokens(config)
    end = read.token_to_id(special_tokens.get("eos_token", ""))
    if end is None:
        raise ConfigurationError(
            "tokenizer_unfit", "the tokenizer has no eos_token, so no answer would ever end"
        )
    source = chat_template or _usual(config.get("chat_template"))
    template = ChatTemplate(source, special_tokens) if source else None
    return Encoder(tokenizer, end, template)


def _special_tokens(config: Mapping[str, Any]) -> Mapping[str, str]:
    found = {}
    for name in _NAMED:
        token = config.get(name)
        if isinstance(token, dict):  # an AddedToken, written out
            token = token.get("content")
        if isinstance(token, str):
            found[name] = token
    return found


def _usual(template: object) -> str | None:
    """One template, or of several, listed with their names, the one for every use."""
    if isinstance(template, list):
        named = [one for one in template if isinstance(one, dict)]
        template = next((one.get("template") for one in named if one.get("name") == "default"), "")
    return template if isinstance(template, str) else None
