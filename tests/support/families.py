"""What families are known to do: rows that `make families` has written, and the page of them."""

import json
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict


class Row(BaseModel):
    """A line of docs/families.jsonl: one family, trained in one way, and what came of it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    family: str
    architecture: str
    """The class in config.json."""
    method: Literal["lora", "qlora", "full"]
    strategy: Literal["ddp", "sharded"]
    outcome: Literal["trains", "refused", "wrong"]
    where: str
    """What it ran on: "2 ranks on a CPU", "GB10"."""
    date: str
    """YYYY-MM-DD."""


_TITLES = (
    "family", "class", "LoRA, copies", "LoRA, sharded", "full, copies", "full, sharded", "QLoRA",
    "seen on", "last",
)  # fmt: skip
_HEAD = f"""\
# Models

Which families train, in which way, and where that was seen. A row is a tiny model of the family's
own architecture in the layout of the Hub, trained on 2 ranks and compared with `from_pretrained`
on the same rows (`make families`). Generated from `docs/families.jsonl`.

| {" | ".join(_TITLES)} |
|{"---|" * len(_TITLES)}
"""
_COLUMNS = (
    ("lora", "ddp"), ("lora", "sharded"), ("full", "ddp"), ("full", "sharded"), ("qlora", "ddp"),
)  # fmt: skip
_MARKS = {"trains": "yes", "refused": "refused", "wrong": "**wrong**"}


def rows_of(file: Path) -> list[Row]:
    """In the file's order; none where there is no file yet."""
    if not file.is_file():
        return []
    lines = file.read_text(encoding="utf-8").splitlines()
    return [Row.model_validate(json.loads(line)) for line in lines if line.strip()]


def keep(new: list[Row], docs: Path) -> None:
    """Put rows into the file, in the place of older ones of their kind, and make the page again."""
    file = docs / "families.jsonl"
    known = {_kind(row): row for row in rows_of(file)}
    known |= {_kind(row): row for row in new}
    rows = sorted(known.values(), key=_kind)
    file.write_text("".join(f"{row.model_dump_json()}\n" for row in rows), encoding="utf-8")
    (docs / "models.md").write_text(page_of(rows), encoding="utf-8")


def _kind(row: Row) -> tuple[str, str, str, str]:
    return row.family, row.method, row.strategy, row.where


def page_of(rows: list[Row]) -> str:
    """docs/models.md: a line for each family, with its newest outcome of each kind."""
    if not rows:
        return _HEAD + "\nNothing has been written there yet.\n"
    lines = list[str]()
    for family in dict.fromkeys(row.family for row in rows):
        own = sorted((row for row in rows if row.family == family), key=lambda row: row.date)
        newest = {(row.method, row.strategy): row for row in own}
        cells = [_MARKS[newest[key].outcome] if key in newest else "-" for key in _COLUMNS]
        seen = ", ".join(dict.fromkeys(row.where for row in newest.values()))
        named = [family, f"`{own[-1].architecture}`", *cells, seen, own[-1].date]
        lines.append(f"| {' | '.join(named)} |")
    return _HEAD + "\n".join(lines) + "\n"
