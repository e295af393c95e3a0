"""Where rows come from: a file, a folder, a data set of the Hub, or what is built in."""

import codecs
from typing import Annotated

from pydantic import BeforeValidator, Field, field_validator

from training.contract.names import DATA, fit_data, source_of
from training.contract.section import Section

DataName = Annotated[str, Field(pattern=DATA, examples=["my.jsonl"]), BeforeValidator(fit_data)]

_NO_CHARSETS = ("idna", "punycode", "unicode-escape", "raw-unicode-escape", "undefined", "utf-7")
"""Python calls them encodings of text, but no file that people write is in one."""


class Place(Section):
    """One place that has rows, and how they are read."""

    name: DataName | None = None
    """`builtin:instructions`, a Hub id `org/name`, or a file or folder (`mychats/`) in
    `paths.data`: .jsonl, .json, .csv, .tsv, .parquet, .txt, each also .gz.

    Rows have the column messages (chat), or prompt and completion, or instruction, input (optional)
    and output (alpaca), or text. In a .txt file every line is a text.
    """

    config: str | None = Field(None, min_length=1)
    """Hub only: which configuration of the data set, such as `3.0.0` or `main`; null: its only or
    default one."""

    revision: str = "main"
    """Hub only: branch, tag or commit."""

    split: str = "train"
    """Hub only: which split, or a part of one, such as `train[:50%]` or `train[100:200]`."""

    columns: dict[str, str] = Field({}, examples=[{"prompt": "article"}])
    """Our names of columns -> theirs, such as `{prompt: article, completion: highlights}`. A dotted
    name reaches inside: `answers.text.0`. When set, only these columns are read."""

    encoding: str | None = None
    """Files only: how their text is encoded, such as cp949; null: UTF-8, or what the mark at the
    beginning of the file says (UTF-16)."""

    @field_validator("name")
    @classmethod
    def _known_builtin(cls, name: str | None) -> str | None:
        if name is not None and source_of(name) == "builtin" and name != "builtin:instructions":
            raise ValueError(f"there is no {name}; known: builtin:instructions")
        return name

    @field_validator("columns")
    @classmethod
    def _named(cls, columns: dict[str, str]) -> dict[str, str]:
        if not all(name.strip() for pair in columns.items() for name in pair):
            raise ValueError("a column has a name on either side")
        return columns

    @field_validator("encoding")
    @classmethod
    def _known_encoding(cls, encoding: str | None) -> str | None:
        try:
            known = None if encoding is None else codecs.lookup(encoding)
        except (LookupError, ValueError):  # the latter for a NUL in it
            raise ValueError(
                "no such encoding; known are utf-8, utf-16, cp949, shift_jis, gb18030, big5, "
                "cp1252 and what else Python has"
            ) from None
        if known and (known.name in _NO_CHARSETS or not _makes_text(known)):
            raise ValueError("this is no encoding of text files, as utf-8 and cp949 are")
        return encoding


class Source(Place):
    """One of several sources."""

    name: DataName
    """As `data.name`."""

    rows: int | None = Field(None, ge=1)
    """Rows of it at most, from its start; null: all."""

    share: float = Field(1.0, gt=0, le=1e6)
    """How many of its rows, against the other sources' shares: 3 beside 1 are three of four."""


class Evaluation(Place):
    """Where the held-out rows come from, when not out of the training rows."""

    name: DataName
    """As `data.name`."""


def _makes_text(codec: codecs.CodecInfo) -> bool:
    try:
        return isinstance(codec.decode(b"")[0], str)
    except Exception:  # codecs of bytes raise what they like
        return False
