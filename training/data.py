"""Instruction data: read rows, turn them into prompt and completion, set some apart. No torch.

The loss counts the completion only; that is trl's rule for prompt/completion columns, and it adds
the end-of-sequence token to the completion.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from training.config import Data, source_of
from training.errors import ConfigurationError
from training.instructions import instruction_rows

# The prompts that the alpaca data was made for (tatsu-lab/stanford_alpaca, README).
_ALPACA_WITH_INPUT = (
    "Below is an instruction that describes a task, paired with an input that provides further "
    "context. Write a response that appropriately completes the request.\n\n"
    "### Instruction:\n{instruction}\n\n### Input:\n{input}\n\n### Response:\n"
)
_ALPACA = (
    "Below is an instruction that describes a task. Write a response that appropriately completes "
    "the request.\n\n### Instruction:\n{instruction}\n\n### Response:\n"
)


@dataclass(frozen=True)
class Example:
    """What the model reads (`prompt`) and what it shall learn to write (`completion`)."""

    prompt: str
    completion: str


@dataclass(frozen=True)
class Examples:
    """The two parts of a dataset; no row is in both."""

    train: tuple[Example, ...]
    held_out: tuple[Example, ...]


def read_examples(data: Data) -> Examples:
    """Read, format and split the data. Raises `ConfigurationError` for data that cannot be used."""
    wanted = None if data.rows is None else data.rows + data.held_out_rows
    rows = _read_rows(data, wanted)
    examples = [to_example(row, data.template, where) for where, row in rows]
    return split(examples, data)


def split(examples: list[Example], data: Data) -> Examples:
    """Set `held_out_rows` apart, evenly spaced: sorted files give a fair sample, without chance."""
    if len(examples) <= data.held_out_rows:
        raise ConfigurationError(
            "data_too_small",
            f"{data.name} has {len(examples)} rows, of which {data.held_out_rows} are held out: "
            "nothing is left to train on",
            "Lower data.held_out_rows or use more data.",
        )
    apart = {i * len(examples) // data.held_out_rows for i in range(data.held_out_rows)}
    return Examples(
        train=tuple(e for i, e in enumerate(examples) if i not in apart),
        held_out=tuple(e for i, e in enumerate(examples) if i in apart),
    )


def to_example(row: Mapping[str, Any], template: str, where: str) -> Example:
    """One row to prompt and completion; `where` names the row in the error for unusable ones."""
    columns = ("prompt", "completion") if "prompt" in row else ("instruction", "output")
    values = [row.get(column) for column in columns]
    if not all(isinstance(value, str) and value for value in values):
        raise ConfigurationError(
            "data_invalid",
            f"{where}: {columns[0]} and {columns[1]} must be texts that are not empty",
            "Rows need instruction, input (optional) and output, or prompt and completion.",
        )
    if columns[0] == "prompt":
        return Example(str(row["prompt"]), str(row["completion"]))
    fields = {"instruction": str(row["instruction"]), "input": str(row.get("input") or "")}
    return Example(_prompt(fields, template), str(row["output"]))


def as_columns(examples: Iterable[Example]) -> list[dict[str, str]]:
    """The rows that `datasets.Dataset.from_list` and trl take."""
    return [asdict(example) for example in examples]


def _prompt(fields: dict[str, str], template: str) -> str:
    if template == "plain":
        return "".join(f"{text}\n" for text in fields.values() if text)
    return (_ALPACA_WITH_INPUT if fields["input"] else _ALPACA).format(**fields)


def _read_rows(data: Data, wanted: int | None) -> list[tuple[str, Mapping[str, Any]]]:
    """At most `wanted` rows, each with a name for error messages."""
    named: list[tuple[str, Mapping[str, Any]]]
    match source_of(data.name):
        case "builtin":
            named = [(f"{data.name} row {i}", row) for i, row in enumerate(instruction_rows())]
        case "path":
            named = _read_lines(Path(data.name))
        case "hub":
            named = [(f"{data.name} row {i}", r) for i, r in enumerate(_fetch_rows(data, wanted))]
    if wanted is not None and len(named) < wanted:
        raise ConfigurationError(
            "data_too_small",
            f"{data.name} has {len(named)} rows; data.rows and data.held_out_rows want {wanted}",
            "Lower data.rows (null takes all).",
        )
    return named[:wanted]


def _read_lines(file: Path) -> list[tuple[str, Mapping[str, Any]]]:
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as unreadable:
        raise ConfigurationError(
            "data_unreadable", f"{file}: {unreadable}", "The file must be on every node."
        ) from None
    rows: list[tuple[str, Mapping[str, Any]]] = []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except json.JSONDecodeError as broken:
            raise ConfigurationError("data_invalid", f"{file}:{number}: {broken}") from None
        if not isinstance(row, dict):
            raise ConfigurationError("data_invalid", f"{file}:{number}: not a JSON object")
        rows.append((f"{file}:{number}", row))
    return rows


def _fetch_rows(data: Data, wanted: int | None) -> Iterable[Mapping[str, Any]]:
    import datasets

    from training.fetch import hub_errors

    datasets.disable_progress_bars()
    part = data.split if wanted is None else f"{data.split}[:{wanted}]"
    with hub_errors(data.name):
        try:
            rows: Iterable[Mapping[str, Any]] = datasets.load_dataset(
                data.name, revision=data.revision, split=part
            )
        except ValueError as unknown:  # a split or a configuration that the dataset has not
            raise ConfigurationError("data_invalid", f"{data.name}: {unknown}") from None
    return rows
