"""The benchmark compares like with like: same tokens, same loss; timings are for people."""

from itertools import pairwise

import pytest

pytestmark = [pytest.mark.torch, pytest.mark.filterwarnings("ignore")]


def test_every_way_learns_the_same_and_only_one_pads() -> None:
    from benchmarks.padding import Shape, measure

    results = measure(8, seed=1, shape=Shape(vocabulary=512, hidden=192, layers=1))
    playbook, dense, ours, packed = results
    assert playbook.share < 0.8
    assert [result.share for result in (dense, ours, packed)] == [1.0, 1.0, 1.0]
    for other in (dense, ours):
        assert other.loss == pytest.approx(playbook.loss, abs=1e-5)
    assert all(result.speed > 0 for result in results)


def test_the_lengths_are_those_of_alpaca() -> None:
    from benchmarks.padding import BATCH, LONGEST, SHORTEST, corpus

    lengths = [len(tokens.input_ids) for tokens in corpus(1200, seed=0, vocabulary=512)]
    assert 80 < sorted(lengths)[600] < 100
    assert SHORTEST <= min(lengths) < max(lengths) <= LONGEST
    edges = pairwise(range(0, len(lengths) + 1, BATCH))
    padded = sum(BATCH * max(lengths[begin:end]) for begin, end in edges)
    assert 0.53 < sum(lengths) / padded < 0.63


def test_ratios_are_taken_within_a_round() -> None:
    from benchmarks.document import put
    from benchmarks.padding import PLAYBOOK, Result, Shape, table

    calm = [Result(PLAYBOOK, 0.5, 100, 1.0), Result("ours", 1.0, 190, 1.0)]
    busy = [Result(PLAYBOOK, 0.5, 50, 1.0), Result("ours", 1.0, 105, 1.0)]
    lines = table([calm, busy], 8, Shape(vocabulary=64, hidden=192, layers=1))
    assert "| ours | 100% | 148 | 2.00 (1.90-2.10) | 1.00 | 1.0000 |" in lines
    document = "a\n<!-- padding -->\nold\n<!-- /padding -->\nb\n"
    assert put(put(document, "padding", "x"), "padding", "new") == document.replace("old", "new")
