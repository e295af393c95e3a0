"""Data in tokens for a test: by the code of a rank, without a rank."""

import tempfile
from collections.abc import Iterable
from pathlib import Path

from tokenizers import Regex, Tokenizer, models, pre_tokenizers, processors

from training.contract.config import Data
from training.rows.read import read_rows
from training.rows.row import BadRow, Row
from training.texts.example import Example
from training.texts.samples import samples
from training.texts.template import ChatTemplate
from training.tokens.chunk import Recipe
from training.tokens.encode import Encoder
from training.tokens.prepare import data_set, parts
from training.tokens.tokens import Sequences, Tokens, to_tokens


def sequences_of(
    data: Data,
    encoder: Encoder,
    ranks: int = 1,
    rows: Iterable[Row | BadRow] | None = None,
) -> Sequences:
    """Those of `rows`, or of what the data name. Its files are gone; what is mapped stays."""
    with tempfile.TemporaryDirectory() as cache:
        made = data_set(
            "any",
            Recipe(data, encoder),
            lambda: read_rows(data, Path()) if rows is None else rows,
            Path(cache),
        )
        return parts([made.stored], data, ranks)


def tokens_of(example: Example, encoder: Encoder) -> list[Tokens]:
    """Of any length."""
    return [to_tokens(one.words) for one in encoder.encode(samples(example, encoder.template))]


CHAT = (
    "{% for m in messages %}{{ m.role[0] }}:{{ m.content }};{% endfor %}"
    "{% if add_generation_prompt %}a:{% endif %}"
)
"""`u:hello;a:you;`"""
END = 1


def letters(*, begin: bool = False, template: str = CHAT) -> Encoder:
    """A token for every character of ASCII, id 1 the end; `begin`: writes a mark, id 0, before a
    text. Needs neither torch nor transformers."""
    alphabet = {"<s>": 0, "</s>": END} | {chr(n): n for n in range(2, 128)}
    tokenizer = Tokenizer(models.WordLevel(alphabet, unk_token="?"))
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex("."), "isolated")
    tokenizer.add_special_tokens(["<s>", "</s>"])
    if begin:
        tokenizer.post_processor = processors.TemplateProcessing("<s> $A", None, [("<s>", 0)])
    return Encoder(tokenizer.to_str(), END, ChatTemplate(template, {}))
