"""Names, paths and addresses as people write them; what is wrong with one is a sentence."""

import re
from typing import Literal

Source = Literal["builtin", "hub", "path"]

HUB_ID = r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*"
MODEL = rf"^(builtin:[a-z0-9-]+|{HUB_ID}|/.+)$"
ABSOLUTE = "^/.+"
ADDRESS = r"^https?://[^\s]+$"

ENDINGS = (".jsonl", ".ndjson", ".json", ".csv", ".tsv", ".parquet", ".txt")
"""Of data files, in any case; `.gz` may follow."""
_OTHER_FILES = (
    ".xlsx", ".xls", ".ods", ".arrow", ".feather", ".docx", ".pdf",
    ".gz", ".zip", ".zst", ".xz", ".bz2", ".7z", ".tar",
)  # fmt: skip


def _in_any_case(word: str) -> str:
    """As a regular expression that every dialect reads alike."""
    return "".join(f"[{c}{c.upper()}]" if c.isalpha() else re.escape(c) for c in word)


_FOLDERS = r"\w[\w .-]*(/\w[\w .-]*)*"
_ENDING = f"({'|'.join(map(_in_any_case, ENDINGS))})({_in_any_case('.gz')})?"
DATA = rf"{MODEL[:-2]}|{_FOLDERS}(/|{_ENDING}))$"

WORDS = {
    MODEL: "it is org/name on the Hub, an absolute path, or builtin:NAME",
    DATA: "it is org/name on the Hub, a file such as my.jsonl, a folder such as my/, an absolute "
    "path, or builtin:NAME",
    ABSOLUTE: "it is an absolute path, as the container sees it",
    ADDRESS: "an address begins with https:// or http://, and has no blank in it",
}
"""What the patterns ask for, those of all settings that a container reads."""


def source_of(name: str) -> Source:
    """Where a model or dataset of this name comes from: made here, the Hub, or a path."""
    if name.startswith("builtin:"):
        return "builtin"
    return "path" if name.startswith("/") or name.endswith("/") or ending_of(name) else "hub"


def ending_of(name: str) -> str | None:
    """Which of ENDINGS a name has, before a `.gz`; None: it is no data file's."""
    plain = name.lower().removesuffix(".gz")
    return next((ending for ending in ENDINGS if plain.endswith(ending)), None)


def fit_model(name: object) -> object:
    """Raises ValueError for a usual mistake; all else is for the pattern to judge."""
    return _fit(name, MODEL, "name it /sparkctl/data/ and its folder")


def fit_data(name: object) -> object:
    """The same for a dataset."""
    if isinstance(name, str) and name.lower().endswith(_OTHER_FILES) and not ending_of(name):
        raise ValueError(
            "data are read from .jsonl, .json, .csv, .tsv, .parquet and .txt files, each also .gz, "
            "and from folders of them; make it one of these"
        )
    return _fit(name, DATA, "name it as it is called there, such as my.jsonl")


def _fit(name: object, pattern: str, named: str) -> object:
    if not isinstance(name, str) or re.search(pattern, name):
        return name
    if re.match(r"\.{1,2}[/\\]|~|[A-Za-z]:[/\\]|file:", name):
        raise ValueError(
            "a path of this computer is nothing to a node: copy what is there to every node, into "
            f"~/sparkctl/data (`paths.data`), and {named}"
        )
    if re.fullmatch(r"[A-Za-z0-9][\w.-]*", name):
        raise ValueError(f"no owner, as a name on the Hub has: {WORDS[pattern]}")
    return name
