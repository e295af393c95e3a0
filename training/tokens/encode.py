"""Samples to tokens, and the labels that the loss counts."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

from tokenizers import Encoding, Tokenizer

from training.contract.errors import ConfigurationError
from training.texts.example import Sample, Segment
from training.texts.template import ChatTemplate
from training.tokens.tokens import IGNORED, Tokens


@dataclass(frozen=True)
class Encoder:
    """A tokenizer and its chat template, as plain data: it can be sent to another process."""

    tokenizer: str
    """JSON of the tokenizers library: `tokenizer.json`."""
    end: int
    """The token that ends what is not written out by a template."""
    template: ChatTemplate | None
    rows: int | None = None
    """Tokens that the model has embeddings for; None: not known."""

    def tokens(self, sample: Sample) -> Tokens:
        """One sequence, of any length.

        A token counts when it ends inside a segment that counts: the model also has to write one
        that begins in the prompt and reaches into the answer.
        """
        text = "".join(segment.text for segment in sample.segments)
        encoded = self._tokenizer.encode(text, add_special_tokens=not sample.marked)
        start = _begun_twice(encoded)
        ids, spans = encoded.ids[start:], list(_loss_spans(sample.segments))
        if self.rows is not None and ids and max(ids) >= self.rows:
            raise _no_row(sample.where, self._tokenizer.id_to_token(max(ids)), max(ids), self.rows)
        labels = [
            token if any(first < end <= last for first, last in spans) else IGNORED
            for token, (_, end) in zip(ids, encoded.offsets[start:], strict=True)
        ]
        if not sample.marked and ids[-1:] != [self.end]:
            ids.append(self.end)
            labels.append(self.end)
        return Tokens(ids, labels)

    @cached_property
    def _tokenizer(self) -> Tokenizer:
        tokenizer = Tokenizer.from_str(self.tokenizer)
        tokenizer.no_truncation()
        tokenizer.no_padding()
        return tokenizer


def _begun_twice(encoded: Encoding) -> int:
    """1 where the tokenizer has put its mark of the beginning before a text that begins with it."""
    twice = encoded.ids[:1] == encoded.ids[1:2] and encoded.special_tokens_mask[:1] == [1]
    return int(twice and encoded.offsets[0] == (0, 0))


def _no_row(where: str, text: str | None, token: int, rows: int) -> ConfigurationError:
    return ConfigurationError(
        "tokenizer_unfit",
        f"{where}: it has the token {text} (number {token}), but the model has embeddings for "
        f"{rows} tokens (numbers from 0)",
        "Take it out of the row, or use the tokenizer that belongs to this model.",
    )


def _loss_spans(segments: Iterable[Segment]) -> Iterable[tuple[int, int]]:
    """First and last character of every segment that the loss counts."""
    at = 0
    for segment in segments:
        if segment.in_loss:
            yield at, at + len(segment.text)
        at += len(segment.text)
