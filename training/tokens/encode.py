"""Samples to tokens, and which of them the loss counts."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property
from itertools import chain
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from tokenizers import Encoding, Tokenizer

from training.contract.errors import ConfigurationError
from training.texts.example import Sample, Segment
from training.texts.template import ChatTemplate
from training.tokens.tokens import Words, mark


class Encoded(NamedTuple):
    """One sample, of any length."""

    words: Words
    begin: int
    """So many tokens at its beginning are marks that the tokenizer has written."""


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

    def encode(self, samples: Sequence[Sample]) -> list[Encoded]:
        """Each sample by itself; together they are faster.

        A token counts when it ends inside a segment that counts: the model also has to write one
        that begins in the prompt and reaches into the answer.
        """
        of = dict[int, Encoding]()
        for marked in (True, False):
            group = [i for i, sample in enumerate(samples) if sample.marked == marked]
            texts = ["".join(s.text for s in samples[i].segments) for i in group]
            found = self._tokenizer.encode_batch(texts, add_special_tokens=not marked)
            of.update(zip(group, found, strict=True))
        return [self._encoded(sample, of[i]) for i, sample in enumerate(samples)]

    @property
    def vocabulary(self) -> int:
        """Ids are below this."""
        return max(self._tokenizer.get_vocab(with_added_tokens=True).values(), default=0) + 1

    def _encoded(self, sample: Sample, encoding: Encoding) -> Encoded:
        start = _begun_twice(encoding)
        ids = np.array(encoding.ids[start:], np.uint32)
        offsets = chain.from_iterable(encoding.offsets[start:])
        ends = np.fromiter(offsets, np.int64, 2 * len(ids))[1::2]
        if self.rows is not None and (most := int(ids.max(initial=0))) >= self.rows:
            raise _no_row(sample.where, self._tokenizer.id_to_token(most), most, self.rows)
        words = mark(ids, _within(ends, sample.segments))
        if sample.marked:
            return Encoded(words, 0)
        if ids[-1:].tolist() != [self.end]:
            words = np.append(words, mark(np.array([self.end], np.uint32), np.array([True])))
        return Encoded(words, _leading(encoding.special_tokens_mask[start:]))

    @cached_property
    def _tokenizer(self) -> Tokenizer:
        tokenizer = Tokenizer.from_str(self.tokenizer)
        tokenizer.no_truncation()
        tokenizer.no_padding()
        return tokenizer

    def __getstate__(self) -> dict[str, Any]:
        """Without what was computed from it: a compiled template cannot be sent."""
        state = {field.name: getattr(self, field.name) for field in fields(self)}
        return state | {"template": replace(self.template) if self.template else None}


def _within(ends: NDArray[np.int64], segments: Iterable[Segment]) -> NDArray[np.bool_]:
    """Which of these characters' positions are behind the first and up to the last character of a
    segment that the loss counts."""
    spans = np.array([*_loss_spans(segments)], np.int64).reshape(-1, 2)
    if not len(spans):
        return np.zeros(len(ends), np.bool_)
    nearest = np.searchsorted(spans[:, 1], ends)
    inside = nearest < len(spans)
    inside[inside] = spans[nearest[inside], 0] < ends[inside]
    return inside


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


def _loss_spans(segments: Iterable[Segment]) -> Iterator[tuple[int, int]]:
    """First and last character of every segment that the loss counts."""
    at = 0
    for segment in segments:
        if segment.in_loss:
            yield at, at + len(segment.text)
        at += len(segment.text)


def _leading(special: Sequence[int]) -> int:
    return next((i for i, one in enumerate(special) if not one), len(special))
