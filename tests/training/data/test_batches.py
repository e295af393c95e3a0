"""The plan: one order of rows, however it is cut, and a position in it that can be gone back to."""

import random
from dataclasses import replace
from itertools import chain, pairwise

from hypothesis import given
from hypothesis import strategies as st

from training.data.batches import BatchShape, held_out, of_rank, order, plan, steps

LENGTHS = st.lists(st.integers(1, 50), min_size=1, max_size=60)
CUTS = st.builds(
    BatchShape,
    ranks=st.integers(1, 4),
    accumulation=st.integers(1, 3),
    rows=st.integers(1, 5),
    room=st.none() | st.integers(50, 200),
)


def test_the_order_is_the_same_for_ever() -> None:
    assert order(8, seed=42, epoch=0) == [4, 6, 0, 3, 5, 7, 2, 1]
    assert order(8, seed=42, epoch=1) == [5, 0, 1, 3, 2, 6, 4, 7]
    assert order(8, seed=43, epoch=0) == [2, 0, 4, 1, 6, 3, 7, 5]


@given(LENGTHS, CUTS, st.sampled_from([0.3, 1, 2.5]))
def test_every_way_of_batching_has_the_same_order(
    lengths: list[int], shape: BatchShape, epochs: float
) -> None:
    seen = list(chain.from_iterable(plan(lengths, shape, 1, epochs, None)))
    assert len(seen) >= epochs * len(lengths)
    if shape.room is None:
        stream = list(chain.from_iterable(order(len(lengths), 1, epoch) for epoch in range(800)))
        assert seen == stream[: len(seen)]
    else:  # rows change places, within an epoch
        for at in range(0, len(seen) - len(lengths) + 1, len(lengths)):
            assert sorted(seen[at : at + len(lengths)]) == list(range(len(lengths)))


@given(LENGTHS, CUTS, st.integers(1, 9))
def test_every_rank_has_as_many_batches_in_whole_steps(
    lengths: list[int], shape: BatchShape, steps: int
) -> None:
    for max_steps in (None, steps):
        batches = plan(lengths, shape, 1, 1.0, max_steps)
        each = [of_rank(batches, rank, shape.ranks) for rank in range(shape.ranks)]
        assert len({len(own) for own in each}) == 1
        assert len(each[0]) % shape.accumulation == 0
        if max_steps:
            assert len(each[0]) == max_steps * shape.accumulation
        assert list(chain.from_iterable(zip(*each, strict=True))) == batches


@given(LENGTHS, CUTS)
def test_batches_are_as_large_as_they_may_be(lengths: list[int], shape: BatchShape) -> None:
    batches = plan(lengths, shape, 1, 1.0, None)
    for batch, following in pairwise(batches):
        tokens = sum(lengths[row] for row in batch)
        if shape.room is None:
            assert len(batch) == shape.rows
        else:
            assert tokens <= shape.room
            assert following


@given(LENGTHS, CUTS, st.integers(1, 6))
def test_a_longer_run_begins_with_the_shorter_one(
    lengths: list[int], shape: BatchShape, steps: int
) -> None:
    shorter, longer = (plan(lengths, shape, 1, 1.0, n) for n in (steps, steps + 3))
    assert longer[: len(shorter)] == shorter


@given(LENGTHS, st.integers(1, 5), st.integers(1, 4))
def test_two_ranks_see_in_a_step_what_one_sees_with_twice_the_batch(
    lengths: list[int], rows: int, steps: int
) -> None:
    two = plan(lengths, BatchShape(ranks=2, accumulation=1, rows=rows), 1, 1.0, steps)
    one = plan(lengths, BatchShape(ranks=1, accumulation=1, rows=2 * rows), 1, 1.0, steps)
    assert [two[i] + two[i + 1] for i in range(0, len(two), 2)] == one


@given(LENGTHS, CUTS, st.integers(1, 4))
def test_merged_passes_are_fewer_and_no_row_changes_its_step(
    lengths: list[int], shape: BatchShape, number: int
) -> None:
    room = shape.rows * max(lengths)
    free = replace(shape, room=None)
    before = steps(lengths, free, 1, 1.0, number)
    after = steps(lengths, replace(free, room=room, merged=True), 1, 1.0, number)
    for one, other in zip(before, after, strict=True):
        assert len({len(passes) for passes in other}) == 1
        assert len(other[0]) <= len(one[0])
        assert all(batch for passes in other for batch in passes)
        assert max(sum(lengths[row] for row in batch) for p in other for batch in p) <= room
        rows = [sorted(row for p in step for batch in p for row in batch) for step in (one, other)]
        assert rows[0] == rows[1]


@given(LENGTHS, CUTS, st.integers(1, 3))
def test_packed_rooms_are_the_same_for_every_number_of_ranks(
    lengths: list[int], shape: BatchShape, number: int
) -> None:
    packed = replace(shape, room=shape.room or 100)
    alone = replace(packed, ranks=1, accumulation=packed.ranks * packed.accumulation)
    assert plan(lengths, packed, 1, 1.0, number) == plan(lengths, alone, 1, 1.0, number)


def test_in_a_packed_step_ranks_have_like_numbers_of_tokens() -> None:
    chance = random.Random(1)
    lengths = [min(2048, max(64, int(chance.lognormvariate(6.8, 0.8)))) for _ in range(5000)]
    whole = steps(lengths, BatchShape(ranks=2, accumulation=1, rows=4, room=2048), 1, 1.0, None)
    shares = [
        min(each) / max(each)
        for each in ([sum(lengths[r] for b in p for r in b) for p in one] for one in whole)
    ]
    assert sum(shares) / len(shares) > 0.95  # with what comes next: 0.79


def test_short_rows_of_many_passes_are_one() -> None:
    shape = BatchShape(ranks=2, accumulation=8, rows=4, room=4 * 512, merged=True)
    (step,) = steps([60] * 64, shape, 1, 1.0, 1)
    assert [len(passes) for passes in step] == [1, 1]
    assert {len(batch) for passes in step for batch in passes} == {32}


@given(st.integers(0, 100), CUTS)
def test_held_out_rows_are_all_seen_once(rows: int, shape: BatchShape) -> None:
    rows += shape.ranks
    batches = held_out(rows, shape)
    assert list(chain.from_iterable(batches)) == list(range(rows))
    assert len(batches) % shape.ranks == 0
    assert all(0 < len(batch) <= max(shape.rows, 2) for batch in batches)
