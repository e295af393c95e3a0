"""Several sources in proportion: at every prefix, until one ends, and after."""

from collections import Counter
from collections.abc import Iterator
from fractions import Fraction
from itertools import count, islice
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.training.rows.written import columns, lines, put
from training.contract.config import Data
from training.contract.errors import ConfigurationError
from training.rows.mix import mixed
from training.rows.read import read_rows
from training.rows.row import BadRow, Row

SHARES = st.lists(st.floats(0.01, 100), min_size=1, max_size=6)


def rows(source: int, number: int | None = None, bad: int = 0) -> Iterator[Row | BadRow]:
    """Rows of a source, numbered; before each so many bad ones."""
    for n in count() if number is None else range(number):
        yield from (BadRow("x", "y") for _ in range(bad))
        yield Row(str(source), {"n": n})


@given(SHARES, st.lists(st.integers(0, 2), min_size=6, max_size=6))
@example([1.0] * 6, [0] * 6)
@example([0.01, 100.0, 0.333], [0, 1, 2, 0, 0, 0])
@example([5.0, 1.0, 1.0, 1.0, 1.0, 1.0], [0] * 6)
def test_shares_are_held_at_every_prefix(shares: list[float], bad: list[int]) -> None:
    weights = [Fraction(str(share)) for share in shares]
    given_by: Counter[int] = Counter()
    stream = mixed([(rows(i, bad=bad[i]), share) for i, share in enumerate(shares)])
    good = (row for row in stream if isinstance(row, Row))
    for taken, row in enumerate(islice(good, 300), start=1):
        source = int(row.where)
        assert row.columns["n"] == given_by[source], "each source in its own order"
        given_by[source] += 1
        for i, weight in enumerate(weights):
            assert abs(given_by[i] - weight * taken / sum(weights)) < 1


@given(st.lists(st.tuples(st.integers(0, 40), st.floats(0.01, 100)), max_size=6))
def test_every_row_comes_once(sources: list[tuple[int, float]]) -> None:
    found = list(mixed([(rows(i, n, bad=1), share) for i, (n, share) in enumerate(sources)]))
    assert sum(isinstance(row, BadRow) for row in found) == sum(n for n, _ in sources)
    for i, (n, _) in enumerate(sources):
        own = [row.columns["n"] for row in found if isinstance(row, Row) and row.where == str(i)]
        assert own == list(range(n))


def test_when_one_ends_the_others_keep_their_shares() -> None:
    found = mixed([(rows(0, 2), 2), (rows(1, 9), 1), (rows(2, 9), 2)])
    order = "".join(row.where for row in found)
    assert order[:5].count("0") == 2
    assert (order[6:12].count("1"), order[6:12].count("2")) == (2, 4)


def test_sources_of_a_recipe(tmp_path: Path) -> None:
    """Each with its own limit and columns; where a row stands says which source it is of."""
    put(tmp_path, "a.jsonl", lines([{"question": n} for n in range(9)]))
    put(tmp_path, "b.csv", "text\n" + "".join(f"{n}\n" for n in range(9)))
    several = [
        {"name": "a.jsonl", "rows": 4, "share": 2, "columns": {"text": "question"}},
        {"name": "b.csv"},
    ]
    data = Data.model_validate({"sources": several})
    found = list(read_rows(data, tmp_path))
    assert [row["text"] for row in columns(found)] == [
        0, 1, "0", 2, 3, "1", "2", "3", "4", "5", "6", "7", "8",
    ]  # fmt: skip
    assert [row.where for row in found[1:3]] == [f"{tmp_path}/a.jsonl:2", f"{tmp_path}/b.csv:2"]
    again = list(read_rows(data.model_copy(update={"rows": 3, "held_out_rows": 3}), tmp_path))
    assert again == found[:6]
    with pytest.raises(ConfigurationError, match=r"a\.jsonl and b\.csv has 13 rows"):
        list(read_rows(data.model_copy(update={"rows": 30}), tmp_path))


def test_a_source_without_rows_is_told(tmp_path: Path) -> None:
    put(tmp_path, "a.jsonl", "{}")
    put(tmp_path, "b.jsonl", "")
    data = Data.model_validate({"sources": [{"name": "a.jsonl"}, {"name": "b.jsonl"}]})
    with pytest.raises(ConfigurationError, match=r"b\.jsonl has 0 rows"):
        list(read_rows(data, tmp_path))
