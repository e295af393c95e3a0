"""A list of sequences in one array."""

import pickle

import pytest

from training.tokens.tokens import IGNORED, TokenList, Tokens

MANY = [
    Tokens([1, 2, 3], [IGNORED, 2, 3]),
    Tokens([4], [IGNORED]),
    Tokens([0, 2**31 - 1], [0, IGNORED]),
]


def test_it_holds_what_was_put_in() -> None:
    made = TokenList.of(MANY)
    assert list(made) == MANY
    assert list(made.lengths) == [3, 1, 2]
    assert (len(made), made[-1], list(made[1:])) == (3, MANY[2], MANY[1:])
    assert list(made[::2].lengths) == [3, 2]
    with pytest.raises(IndexError):
        made[3]
    assert list(pickle.loads(pickle.dumps(made))) == MANY


def test_it_may_be_empty() -> None:
    assert list(TokenList.of([])) == list(TokenList.of(MANY)[3:]) == []
