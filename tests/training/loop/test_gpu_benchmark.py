"""benchmarks/gpu.py: what it makes of what the systems say. The systems run on a GPU alone."""

from pathlib import Path

import pytest

from benchmarks.gpu import OURS, PLAYBOOK, Row, systems, table
from benchmarks.gpu_base import ALPACA, LONGEST, SHORTEST, lengths
from benchmarks.gpu_systems import WARM, Seen, System, busy, recipe
from training.contract.config import TrainingConfig

CARD = {"card": "none", "torch": "2.13", "tflops": 500.0, "parameters": 4_500_000_000}


def told(tokens: int, seconds: float, steps: int = 40, slow: int | None = None) -> Seen:
    """Steps of so many tokens, so many seconds apart; one of them takes ten times as long."""
    seen, at = Seen(), 100.0
    for step in range(steps):
        at += seconds * (10 if step == slow or step < WARM else 1)
        seen.lines.append((at, {"event": "step", "tokens": tokens, "loss": 9.1}))
    return seen


def test_the_first_steps_do_not_count_nor_does_one_that_waited() -> None:
    assert told(1000, 0.5).tokens_per_second == pytest.approx(2000)
    assert told(1000, 0.5, slow=30).tokens_per_second == pytest.approx(2000)


def test_too_few_steps_are_no_steady_state() -> None:
    seen = told(1000, 0.5, steps=WARM + 3)
    assert seen.tokens_per_second is None
    assert not seen.enough


def test_it_is_busy_as_long_as_it_is_steady() -> None:
    readings = [(1.0, 0.0), (2.0, 0.5), (3.0, 1.0), (9.0, 0.0)]
    assert busy(readings, (1.5, 4.0)) == pytest.approx(0.75)
    assert busy(readings, None) is None


def test_every_row_is_told_beside_the_playbook_of_the_same_rows() -> None:
    rows = [
        Row(System(PLAYBOOK, ALPACA, peer=("trl",)), told(1000, 0.5), 0.5, None),
        Row(System(OURS, ALPACA, {}), told(1000, 0.25), None, None),
    ]
    lines = table(rows, CARD).splitlines()
    assert [line.split(" | ")[4] for line in lines[2:4]] == ["1.00", "2.00"]
    assert len({line.count("|") for line in lines[:4]}) == 1


def test_every_recipe_of_it_is_valid(tmp_path: Path) -> None:
    ours = [one for one in systems(tmp_path, tmp_path) if one.settings is not None]
    assert len(ours) > 8
    for one in ours:
        TrainingConfig.model_validate(recipe(one, tmp_path))


def test_lengths_are_alpaca_s() -> None:
    drawn = lengths(2000, seed=1)
    assert min(drawn) >= SHORTEST
    assert max(drawn) <= LONGEST
    assert 80 < sorted(drawn)[1000] < 100
