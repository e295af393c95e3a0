"""Twins of data sets of the Hub: their layout, configurations and columns, with few rows."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.support.hub.repository import Repository

Rows = Sequence[Mapping[str, Any]]


def cnn_dailymail(rows: int) -> Rows:
    """An article and its summary."""
    return [
        {"article": f"Day {n}. It rained.", "highlights": f"Rain on day {n}.", "id": f"{n:04}"}
        for n in range(rows)
    ]


def squad(rows: int) -> Rows:
    """A question about a text, and answers that stand in it."""
    return [
        {
            "id": f"{n:04}",
            "title": "Rain",
            "context": f"On day {n} it rained.",
            "question": "When did it rain?",
            "answers": {"text": [f"day {n}"], "answer_start": [3]},
        }
        for n in range(rows)
    ]


def repositories(folder: Path) -> dict[str, Repository]:
    """Written below `folder`, by the names that they have on the Hub."""
    cnn, questions = folder / "cnn_dailymail", folder / "squad"
    for config in ("1.0.0", "3.0.0"):
        for split, number in (("train", 40), ("validation", 4)):
            _lines(cnn / config / f"{split}.jsonl", cnn_dailymail(number + (config == "1.0.0")))
    _card(cnn, {config: config for config in ("1.0.0", "3.0.0")})
    for split, number in (("train", 40), ("validation", 4)):
        _parquet(questions / "plain_text" / f"{split}-00000-of-00001.parquet", squad(number))
    _card(questions, {"plain_text": "plain_text"})
    return {
        "abisee/cnn_dailymail": Repository(cnn, kind="datasets"),
        "rajpurkar/squad": Repository(questions, kind="datasets"),
    }


def _lines(file: Path, rows: Rows) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))


def _parquet(file: Path, rows: Rows) -> None:
    import pyarrow
    from pyarrow import parquet

    file.parent.mkdir(parents=True, exist_ok=True)
    parquet.write_table(pyarrow.Table.from_pylist(list(rows)), file)


def _card(folder: Path, configs: Mapping[str, str]) -> None:
    """README.md, whose head says which files a configuration has."""
    described = [
        {
            "config_name": config,
            "data_files": [
                {"split": split, "path": f"{place}/{split}*"} for split in ("train", "validation")
            ],
        }
        for config, place in configs.items()
    ]
    head = json.dumps({"configs": described}, indent=1)  # YAML reads JSON
    (folder / "README.md").write_text(f"---\n{head}\n---\n")
