"""Sequences of tokens, and which of them the loss counts."""

from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import overload

import numpy as np
from numpy.typing import NDArray

IGNORED = -100
"""The label of a token that the loss does not count; torch's own number for it."""

Words = NDArray[np.uint32]
"""A token each: its id, with the highest bit where the loss counts it."""
LEARNED = np.uint32(1 << 31)


@dataclass(frozen=True)
class Tokens:
    """One sequence; `labels` are its ids where the loss counts them, and `IGNORED` elsewhere."""

    input_ids: list[int]
    labels: list[int]


class TokenList(Sequence[Tokens]):
    """Sequences that lie in one array, in memory or in a file; each is made when asked for."""

    def __init__(
        self, words: Words, starts: NDArray[np.int64], chosen: NDArray[np.int64] | None = None
    ) -> None:
        """`starts`: where each of n sequences begins, and the end: (n + 1,); `chosen`: which of
        them belong to the list, in its order; None: all."""
        chosen = np.arange(len(starts) - 1) if chosen is None else chosen
        self._words, self._starts, self._chosen = words, starts, chosen
        self.lengths = array("q", (starts[chosen + 1] - starts[chosen]).tobytes())
        """Tokens of each."""

    @classmethod
    def of(cls, sequences: Iterable[Tokens]) -> "TokenList":
        """In memory."""
        words = [to_words(tokens) for tokens in sequences]
        starts = np.cumsum([0, *map(len, words)], dtype=np.int64)
        return cls(np.concatenate([*words, np.empty(0, np.uint32)]), starts)

    def __len__(self) -> int:
        return len(self.lengths)

    @overload
    def __getitem__(self, index: int) -> Tokens: ...
    @overload
    def __getitem__(self, index: slice) -> "TokenList": ...
    def __getitem__(self, index: int | slice) -> "Tokens | TokenList":
        if isinstance(index, slice):
            return TokenList(self._words, self._starts, self._chosen[index])
        at = self._chosen[index]
        return to_tokens(self._words[self._starts[at] : self._starts[at + 1]])

    def counted(self, index: int) -> int:
        """Tokens of one that the loss counts: nothing tells the first."""
        at = self._chosen[index]
        words = self._words[self._starts[at] + 1 : self._starts[at + 1]]
        return int(np.count_nonzero(is_learned(words)))


@dataclass(frozen=True)
class Sequences:
    """The two parts of a dataset in tokens."""

    train: TokenList
    held_out: TokenList


def to_words(tokens: Tokens) -> Words:
    """One sequence as it is kept."""
    learned = np.array(tokens.labels, np.int64) != IGNORED
    return mark(np.array(tokens.input_ids, np.uint32), learned)


def to_tokens(words: Words) -> Tokens:
    """One sequence as it is used."""
    ids, learned = ids_of(words), is_learned(words)
    return Tokens(ids.tolist(), np.where(learned, ids.astype(np.int64), IGNORED).tolist())


def mark(ids: Words, learned: NDArray[np.bool_]) -> Words:
    """Ids with what the loss counts."""
    return np.where(learned, ids | LEARNED, ids)


def is_learned(words: Words) -> NDArray[np.bool_]:
    """Of each token, whether the loss counts it."""
    return words >= LEARNED


def ids_of(words: Words) -> Words:
    """Of each token its id alone."""
    return words & ~LEARNED
