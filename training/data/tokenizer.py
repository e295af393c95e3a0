"""The tokenizer of a base, or an error that says what it lacks for training."""

from pathlib import Path

from transformers import AutoTokenizer, PreTrainedTokenizerBase

from training.contract.errors import ConfigurationError, first_line


def tokenizer_of(folder: Path) -> PreTrainedTokenizerBase:
    """As transformers loads it from a checkpoint's folder, without running code that lies there.

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
    return tokenizer


def _unfit(problem: str, remedy: str) -> ConfigurationError:
    return ConfigurationError("tokenizer_unfit", problem, remedy)
