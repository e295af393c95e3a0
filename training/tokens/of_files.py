"""An encoder from the files of a tokenizer, where there is no transformers to load it."""

from collections.abc import Mapping
from typing import Any

from tokenizers import Tokenizer

from training.contract.errors import ConfigurationError, first_line
from training.texts.stops import stops_of
from training.texts.template import chat_template as template_of
from training.tokens.embeddings import embeddings_of
from training.tokens.encode import Encoder

_NAMED = tuple(f"{name}_token" for name in ("bos", "eos", "unk", "sep", "pad", "cls", "mask"))


def encoder_of_files(
    tokenizer: str,
    config: Mapping[str, Any],
    generation: Mapping[str, Any],
    model: Mapping[str, Any],
    chat_template: str | None,
) -> Encoder:
    """`tokenizer`: tokenizer.json; `config`: tokenizer_config.json; `generation`:
    generation_config.json; `model`: config.json; `chat_template`: a file's.

    Reads them as transformers' `TokenizersBackend` does (5.23): tokenizer.json alone says which
    marks a text gets, whatever `add_bos_token` says. A class that builds its tokenizer from the
    vocabulary is not followed. Raises ConfigurationError.
    """
    try:
        read = Tokenizer.from_str(tokenizer)
    except Exception as unfit:  # the library raises nothing more precise
        raise _unfit(f"tokenizer.json is not understood: {first_line(unfit)}") from None
    special_tokens = _special_tokens(config)
    stops = stops_of(special_tokens.get("eos_token"), generation or model, read.id_to_token)
    end = read.token_to_id(special_tokens.get("eos_token") or next(iter(stops), ""))
    if end is None:
        raise _unfit("the tokenizer has no eos_token, so no answer would ever end")
    source = chat_template or _by_name(config.get("chat_template"))
    template = template_of(source, special_tokens, stops) if source else None
    return Encoder(tokenizer, end, template, embeddings_of(model))


def _special_tokens(config: Mapping[str, Any]) -> Mapping[str, str]:
    found = {}
    for name in _NAMED:
        token = config.get(name)
        if isinstance(token, dict):  # an AddedToken, written out
            token = token.get("content")
        if isinstance(token, str):
            found[name] = token
    return found


def _by_name(template: object) -> str | Mapping[str, str] | None:
    """One template, or several, which are listed with their names."""
    if isinstance(template, list):
        named = (one for one in template if isinstance(one, dict))
        pairs = [(one.get("name"), one.get("template")) for one in named]
        return {k: v for k, v in pairs if isinstance(k, str) and isinstance(v, str)}
    return template if isinstance(template, str) else None


def _unfit(problem: str) -> ConfigurationError:
    return ConfigurationError("tokenizer_unfit", problem)
