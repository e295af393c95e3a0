"""Names, paths and addresses as people write them; what is wrong with one is a sentence."""

import re
from typing import Literal

Source = Literal["builtin", "hub", "path"]

HUB_ID = r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*"
FILE = r"\w[\w .-]*(/\w[\w .-]*)*\.(jsonl|json|txt)"
MODEL = rf"^(builtin:[a-z0-9-]+|{HUB_ID}|/.+)$"
DATA = MODEL[:-2] + f"|{FILE})$"
ABSOLUTE = "^/.+"
ADDRESS = r"^https?://[^\s]+$"

ENDINGS = (".jsonl", ".json", ".txt")
_TABLES = (".csv", ".tsv", ".parquet", ".xlsx", ".xls", ".arrow", ".gz", ".zip", ".zst")

WORDS = {
    MODEL: "it is org/name on the Hub, an absolute path, or builtin:NAME",
    DATA: "it is org/name on the Hub, a file such as my.jsonl, an absolute path, or builtin:NAME",
    ABSOLUTE: "it is an absolute path, as the container sees it",
    ADDRESS: "an address begins with https:// or http://, and has no blank in it",
}
"""What the patterns ask for, those of all settings that a container reads."""


def source_of(name: str) -> Source:
    """Where a model or dataset of this name comes from: made here, the Hub, or a path."""
    if name.startswith("builtin:"):
        return "builtin"
    return "path" if name.startswith("/") or name.endswith(ENDINGS) else "hub"


def fit_model(name: object) -> object:
    """Raises ValueError for a usual mistake; all else is for the pattern to judge."""
    return _fit(name, MODEL, "name it /sparkctl/data/ and its folder")


def fit_data(name: object) -> object:
    """The same for a dataset."""
    if isinstance(name, str) and name.lower().endswith(_TABLES):
        raise ValueError("data are read from .jsonl, .json and .txt files; make it one of these")
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
