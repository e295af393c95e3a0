"""Rows to examples: what the model reads, and which segments of it count in the loss. No torch.

Four shapes of rows, told apart by their columns: chat (`messages`), `prompt` and `completion`,
alpaca (`instruction`, `input`, `output`), and plain `text`. Only answers count in the loss; of
a plain text, all of it.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from training.contract.config import Data
from training.contract.errors import ConfigurationError
from training.rows.read import read_evaluation, read_rows
from training.rows.row import BadRow, Row
from training.texts.example import Chat, Example, Segment, Text, Turn

T = TypeVar("T")

ROLES = ("system", "user", "assistant")

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
_SHAPES = (
    "Rows need messages, or prompt and completion, or instruction, input (optional) and output, "
    "or text."
)


@dataclass(frozen=True)
class Examples:
    """The two parts of a dataset; no row is in both."""

    train: tuple[Example, ...]
    held_out: tuple[Example, ...]


def read_examples(data: Data, folder: Path = Path()) -> Examples:
    """Read, format and split the data; a file of a relative name is in `folder`.

    Raises `ConfigurationError` for data that cannot be used.
    """
    examples = _examples(read_rows(data, folder), data)
    if data.evaluation is not None:
        return Examples(examples, _examples(read_evaluation(data, folder), data))
    train, held_out = split(examples, data)
    return Examples(train, held_out)


def _examples(rows: Iterable[Row | BadRow], data: Data) -> tuple[Example, ...]:
    return tuple(to_example(row, data.template) for row in rows if isinstance(row, Row))


def split(examples: Sequence[T], data: Data) -> tuple[tuple[T, ...], tuple[T, ...]]:
    """Set `held_out_rows` apart, evenly spaced: sorted files give a fair sample, without chance."""
    if len(examples) <= data.held_out_rows:
        raise ConfigurationError(
            "data_too_small",
            f"{data.label} has {len(examples)} rows, of which {data.held_out_rows} are held out: "
            "nothing is left to train on",
            "Lower data.held_out_rows or use more data.",
        )
    apart = {i * len(examples) // data.held_out_rows for i in range(data.held_out_rows)}
    return (
        tuple(e for i, e in enumerate(examples) if i not in apart),
        tuple(e for i, e in enumerate(examples) if i in apart),
    )


def to_example(row: Row, template: str) -> Example:
    """One row to one example. Raises `ConfigurationError` that names the row."""
    columns = row.columns
    if "messages" in columns:
        return Chat(row.where, _messages(row.where, columns["messages"]))
    if "prompt" in columns:
        prompt, completion = _texts(row, "prompt", "completion")
    elif "text" in columns and "instruction" not in columns:
        (text,) = _texts(row, "text")
        return Text(row.where, (Segment(text, in_loss=True),))
    else:
        instruction, completion = _texts(row, "instruction", "output")
        given = str(columns.get("input") or "")
        if template == "chat":
            asked = "\n".join(text for text in (instruction, given) if text)
            turns = (_turn("user", asked), _turn("assistant", completion))
            return Chat(row.where, turns)
        prompt = _prompt(instruction, given, template)
    return Text(row.where, (Segment(prompt, in_loss=False), Segment(completion, in_loss=True)))


def _texts(row: Row, *names: str) -> list[str]:
    """These columns of a row, all of them texts that are not empty."""
    values = [row.columns.get(name) for name in names]
    if not all(isinstance(value, str) and value for value in values):
        raise ConfigurationError(
            "data_invalid",
            f"{row.where}: {' and '.join(names)} must be text that is not empty",
            _SHAPES,
        )
    return [str(value) for value in values]


def _messages(where: str, turns: Any) -> tuple[Turn, ...]:
    if not isinstance(turns, list) or not turns:
        raise ConfigurationError("data_invalid", f"{where}: messages must be a list of turns")
    messages = tuple(_message(where, number, turn) for number, turn in enumerate(turns, start=1))
    roles = [message["role"] for message in messages]
    if "assistant" not in roles[1:] or roles[0] == "assistant":
        raise ConfigurationError(
            "data_invalid",
            f"{where}: the turns are {', '.join(roles)}; an answer of the assistant must follow "
            "something",
        )
    return messages


def _message(where: str, number: int, turn: Any) -> Turn:
    if isinstance(turn, Mapping) and turn.get("role") in ROLES:
        content = turn.get("content")
        if isinstance(content, str) and content:
            return _turn(str(turn["role"]), content)
    raise ConfigurationError(
        "data_invalid",
        f"{where}: turn {number} of messages needs a role ({', '.join(ROLES)}) and a content that "
        "is text and not empty",
    )


def _turn(role: str, content: str) -> Turn:
    return {"role": role, "content": content}


def _prompt(instruction: str, given: str, template: str) -> str:
    if template == "plain":
        return "".join(f"{text}\n" for text in (instruction, given) if text)
    wording = _ALPACA_WITH_INPUT if given else _ALPACA
    return wording.format(instruction=instruction, input=given)
