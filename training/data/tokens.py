"""Examples to tokens, and the labels that the loss counts. Pure, but for the tokenizer."""

import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from jinja2 import TemplateError
from transformers import PreTrainedTokenizerBase

from training.contract.config import Data
from training.contract.errors import ConfigurationError
from training.data.data import Chat, Example, Examples, Message, Segment

IGNORED = -100
"""The label of a token that the loss does not count; torch's own number for it."""
_TODAY = "26 Jul 2024"
"""Llama's templates write a date into the prompt, some of them today's: a run resumed after
midnight would read other data than it began with. This is what they write without a clock."""


@dataclass(frozen=True)
class Tokens:
    """One sequence; `labels` are its ids where the loss counts them, and `IGNORED` elsewhere."""

    input_ids: list[int]
    labels: list[int]


@dataclass(frozen=True)
class Sequences:
    """The two parts of a dataset in tokens."""

    train: tuple[Tokens, ...]
    held_out: tuple[Tokens, ...]


def prepare(
    examples: Examples, tokenizer: PreTrainedTokenizerBase, data: Data, ranks: int
) -> Sequences:
    """All examples in tokens; prints on stderr which rows are left out.

    Raises `ConfigurationError` for rows that the tokenizer or its chat template refuses, and when
    there is not a held-out row for every rank.
    """
    if data.chat_template:
        tokenizer.chat_template = _read(Path(data.chat_template))
    train, train_out = _part(examples.train, tokenizer, data.max_length)
    held_out, held_out_out = _part(examples.held_out, tokenizer, data.max_length)
    if left_out := train_out + held_out_out:
        print(
            f"{len(left_out)} rows have nothing to learn within data.max_length = "
            f"{data.max_length} tokens and are left out: {', '.join(left_out[:5])}"
            f"{', …' if len(left_out) > 5 else ''}",
            file=sys.stderr,
        )
    if not train or len(held_out) < ranks:
        raise ConfigurationError(
            "data_too_small",
            f"{len(train)} rows to train on and {len(held_out)} held-out rows have anything to "
            f"learn within data.max_length; {ranks} ranks need one of each kind at least",
            "Raise data.held_out_rows or data.max_length.",
        )
    return Sequences(train, held_out)


def to_tokens(example: Example, tokenizer: PreTrainedTokenizerBase, max_length: int) -> Tokens:
    """One example, cut at its end to `max_length`.

    A token counts when it ends inside a segment that counts: the model also has to write one that
    begins in the prompt and reaches into the answer.
    """
    chat = isinstance(example, Chat)
    segments = render(example, tokenizer) if isinstance(example, Chat) else example.segments
    encoded = tokenizer(
        "".join(segment.text for segment in segments),
        add_special_tokens=not chat,  # a chat template has written them
        return_offsets_mapping=True,
    )
    ids = list(encoded["input_ids"])
    spans = list(_loss_spans(segments))
    labels = [
        token if any(first < end <= last for first, last in spans) else IGNORED
        for token, (_, end) in zip(ids, encoded["offset_mapping"], strict=True)
    ]
    if not chat and ids[-1] != tokenizer.eos_token_id:
        ids.append(tokenizer.eos_token_id)
        labels.append(tokenizer.eos_token_id)
    return Tokens(ids[:max_length], labels[:max_length])


def render(chat: Chat, tokenizer: PreTrainedTokenizerBase) -> tuple[Segment, ...]:
    """A conversation as the model's chat template writes it, up to its last answer.

    An answer is what the template adds to the text that asks for it, mark of its end included.
    """
    if not tokenizer.chat_template:
        raise ConfigurationError(
            "chat_template_missing",
            f"{chat.where} is a conversation, but the tokenizer of this model has no chat template",
            "Use an instruct model, or give data.chat_template.",
        )
    segments: list[Segment] = []
    written = ""
    for turn, message in enumerate(chat.messages):
        if message.role != "assistant":
            continue
        asked = _write(chat.where, chat.messages[:turn], tokenizer, asking=True)
        answered = _write(chat.where, chat.messages[: turn + 1], tokenizer, asking=False)
        if not asked.startswith(written) or not answered.startswith(asked):
            raise ConfigurationError(
                "chat_template_unfit",
                f"{chat.where}: the chat template writes turn {turn + 1} otherwise once more turns "
                "follow, so what the model sees in use cannot be derived from the whole",
                "Give data.chat_template one that only ever adds to its text, or split the "
                "conversations into single answers.",
            )
        segments += [Segment(asked[len(written) :], False), Segment(answered[len(asked) :], True)]
        written = answered
    return tuple(segments)


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as unreadable:
        raise ConfigurationError(
            "data_unreadable", f"{file}: {unreadable}", "The file must be on every node."
        ) from None


def _part(
    examples: Iterable[Example], tokenizer: PreTrainedTokenizerBase, max_length: int
) -> tuple[tuple[Tokens, ...], tuple[str, ...]]:
    kept: list[Tokens] = []
    left_out: list[str] = []
    for example in examples:
        tokens = to_tokens(example, tokenizer, max_length)
        # The first token of a sequence is never predicted.
        if any(label != IGNORED for label in tokens.labels[1:]):
            kept.append(tokens)
        else:
            left_out.append(example.where)
    return tuple(kept), tuple(left_out)


def _loss_spans(segments: Iterable[Segment]) -> Iterable[tuple[int, int]]:
    """First and last character of every segment that the loss counts."""
    at = 0
    for segment in segments:
        if segment.in_loss:
            yield at, at + len(segment.text)
        at += len(segment.text)


def _write(
    where: str, messages: Sequence[Message], tokenizer: PreTrainedTokenizerBase, *, asking: bool
) -> str:
    turns = [{"role": message.role, "content": message.content} for message in messages]
    try:
        text: str = tokenizer.apply_chat_template(
            turns, tokenize=False, add_generation_prompt=asking, date_string=_TODAY
        )
    except TemplateError as refused:  # roles that do not alternate, a system turn it has no use for
        raise ConfigurationError(
            "data_invalid", f"{where}: the chat template refuses it: {refused}"
        ) from None
    return text
