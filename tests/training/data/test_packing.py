"""Rooms are full, and every row is in one of them."""

import random
from itertools import chain

import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.data.batches import order
from training.data.packing import WINDOW, best_fit, packed

LENGTHS = st.lists(st.integers(1, 50), min_size=1, max_size=200)


@given(LENGTHS, st.integers(50, 120))
def test_every_row_is_in_one_room_that_holds_it(lengths: list[int], room: int) -> None:
    rooms = best_fit(range(len(lengths)), lengths, room)
    assert sorted(chain.from_iterable(rooms)) == list(range(len(lengths)))
    assert all(sum(lengths[row] for row in rows) <= room for rows in rooms)
    # Two that are half empty would have been one.
    assert sum(2 * sum(lengths[row] for row in rows) <= room for rows in rooms) <= 1


@given(LENGTHS, st.integers(50, 60), st.integers(0, 3))
def test_an_epoch_has_every_row_once(lengths: list[int], room: int, epoch: int) -> None:
    rooms = list(packed(order(len(lengths), 1, epoch), lengths, room))
    assert sorted(chain.from_iterable(rooms)) == list(range(len(lengths)))
    assert all(sum(lengths[row] for row in rows) <= room for rows in rooms)


def test_a_row_too_long_for_a_room_stands_alone() -> None:
    assert best_fit([0, 1, 2], [5, 90, 5], 60) == [[1], [0, 2]]


def alpaca(rows: int) -> list[int]:
    """Lengths like alpaca's: lognormal, clipped."""
    chance = random.Random(1)
    return [min(1024, max(8, int(chance.lognormvariate(4.5, 0.65)))) for _ in range(rows)]


def chats(rows: int) -> list[int]:
    """Long ones, many of them cut at 2,048."""
    chance = random.Random(2)
    return [min(2048, max(64, int(chance.lognormvariate(6.8, 0.8)))) for _ in range(rows)]


def next_fit(rows: list[int], lengths: list[int], room: int) -> int:
    """Rooms that a simple cut of the stream takes."""
    rooms, tokens = 1, 0
    for row in rows:
        if tokens + lengths[row] > room:
            rooms, tokens = rooms + 1, 0
        tokens += lengths[row]
    return rooms


@pytest.mark.parametrize(
    ("lengths", "room", "before", "now"),
    [(alpaca(20_000), 8192, 0.99, 0.99), (alpaca(20_000), 2048, 0.95, 0.99),
     (chats(20_000), 2048, 0.76, 0.96), (chats(20_000), 8192, 0.92, 0.99)],
)  # fmt: skip
def test_rooms_are_full(lengths: list[int], room: int, before: float, now: float) -> None:
    rows, tokens = order(len(lengths), 1, 0), sum(lengths)
    assert tokens / room / len(list(packed(rows, lengths, room))) >= now
    assert tokens / room / next_fit(rows, lengths, room) <= before + 0.02


def test_batches_are_not_sorted_by_their_rows_lengths() -> None:
    """Rows of a kind would come together, and the last of an epoch be learned best."""
    lengths = chats(20_000)
    firsts = [rows[0] for rows in packed(order(len(lengths), 1, 0), lengths, 8192)]
    half = len(firsts) // 2
    means = [sum(lengths[r] for r in part) / half for part in (firsts[:half], firsts[half:])]
    assert abs(means[0] - means[1]) < 0.1 * means[0]
    assert sum(lengths) / 10 > WINDOW * 8192  # or there was one window, and nothing to see
