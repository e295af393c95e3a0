"""What somebody else's exceptions say, in one line."""

import pytest

from training.contract.errors import explain, first_line


@pytest.mark.parametrize(
    ("failure", "said"),
    [
        (ValueError("one\ntwo"), "one"),
        (ValueError("\n  one\n"), "one"),
        (NotImplementedError(), "NotImplementedError"),
        (KeyError(""), "''"),
        (RuntimeError(" \n "), "RuntimeError"),
    ],
)
def test_there_is_always_one_line(failure: Exception, said: str) -> None:
    assert first_line(failure) == said
    assert explain(failure).message
