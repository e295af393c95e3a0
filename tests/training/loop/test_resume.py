"""Stopped anywhere, started again with the same command: the very same result. CPU, real groups."""

import os
import random
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from tests.support.ranks.nodes import Nodes
from tests.support.ranks.recipe import TINY
from tests.support.ranks.run import Run
from training.contract.events import Error, Eval, Result, Resumed, Saved, Start, Step

pytestmark = pytest.mark.torch

STOPS = int(os.environ.get("SPARKCTL_TEST_STOPS", "3"))
"""Stops of one run; `make resume` sets 20."""
STEPS = 6 * STOPS
"""Several epochs. A run must not be through before it has been stopped that often."""
CONFIG: dict[str, Any] = TINY | {
    "method": {"kind": "lora", "r": 8, "alpha": 16, "dropout": 0.1},  # random in every step
    "data": TINY["data"] | {"rows": 40, "held_out_rows": 8},
    "loop": {"max_steps": STEPS, "per_device_batch_size": 4, "eval_every": 3},
    "checkpoint": {"every": 2, "keep": 2},
}
PACKED = CONFIG | {"loop": CONFIG["loop"] | {"batching": "packed"}}
NewRun = Callable[..., Run]


@pytest.fixture(scope="module")
def new_run(nodes: Nodes, tmp_path_factory: pytest.TempPathFactory) -> NewRun:
    """Makes an empty run for so many ranks."""

    def make(ranks: int, config: dict[str, Any] = CONFIG) -> Run:
        return Run(tmp_path_factory.mktemp("run"), nodes.caches, config, ranks)

    return make


@pytest.fixture(
    scope="module",
    params=[(1, CONFIG), (2, CONFIG), (2, PACKED)],
    ids=["one rank", "two sharded ranks", "two sharded ranks, packed"],
)
def undisturbed(request: pytest.FixtureRequest, new_run: NewRun) -> Run:
    """How it goes when nothing happens."""
    run = new_run(*request.param)
    assert run.finish() == [0] * run.world_size, run.stderr(0)
    (start,) = run.events(0, Start)
    assert start.batching == run.config["loop"].get("batching", "padding-free")
    return run


@pytest.fixture(scope="module")
def stopped(new_run: NewRun) -> Run:
    """A run of two ranks, of which one was told to stop in the middle."""
    run = new_run(2)
    with run.attempt() as gang:
        gang.reach(5)
        gang.signal(signal.SIGTERM, 1)
        assert gang.end() == [143, 143], run.stderr(0)
    return run


@pytest.fixture
def again(stopped: Run, tmp_path: Path) -> Run:
    """The stopped run, for one test to spoil."""
    shutil.copytree(stopped.folder, tmp_path / "run")
    return Run(tmp_path / "run", stopped.caches, CONFIG, 2)


def test_stopped_at_random_steps_it_ends_with_the_same_weights(
    undisturbed: Run, new_run: NewRun
) -> None:
    ranks, chance = undisturbed.world_size, random.Random(0)
    run = new_run(ranks, undisturbed.config)
    reached = 0
    for stop in range(STOPS):
        with run.attempt() as gang:
            gang.reach(reached + chance.randint(1, 3))
            victim = chance.randrange(ranks)
            gang.signal(signal.SIGKILL if stop % 2 else signal.SIGTERM, victim)
            expected = [75] * ranks if stop % 2 else [143] * ranks
            if stop % 2:
                expected[victim] = -signal.SIGKILL
            assert gang.end() == expected, run.stderr(0)
        reached = max(step.step for step in run.events(0, Step))
    assert run.finish() == [0] * ranks, run.stderr(0)
    assert len(run.events(0, Resumed)) == STOPS
    _assert_equal(run, undisturbed)
    drawn = EventAccumulator(str(run.node(0) / "run/tensorboard")).Reload()
    steps = [point.step for point in drawn.Scalars("train/loss")]
    assert steps == list(range(1, max(steps) + 1))  # what was done twice is shown once


def test_told_to_stop_all_ranks_save_together_and_say_so(stopped: Run) -> None:
    saved = {stopped.events(rank, Saved)[-1].step for rank in (0, 1)}
    assert saved == {stopped.events(0, Step)[-1].step}
    for rank in (0, 1):
        error = stopped.events(rank, Error)[-1]
        assert (error.code, error.exit_code) == ("stopped", 143)
        assert f"rank 1 got SIGTERM; all ranks saved at step {min(saved)}" in error.message
        assert (stopped.checkpoints(rank) / "LATEST").read_text() == f"step-{min(saved)}"
        assert len(stopped.steps(rank)) == 2
    assert not stopped.events(0, Resumed)


@pytest.mark.parametrize("undisturbed", [(2, CONFIG)], indirect=True)
def test_what_is_torn_on_one_rank_is_passed_over_by_all(again: Run, undisturbed: Run) -> None:
    older, newest = again.steps(0)
    (again.checkpoints(0) / "LATEST").unlink()
    shutil.copytree(again.checkpoints(0) / f"step-{newest}", again.checkpoints(0) / ".step-99.tmp")
    os.truncate(again.checkpoints(1) / f"step-{newest}/state.pt", 1000)
    assert again.finish() == [0, 0], again.stderr(1)
    for rank in (0, 1):
        (resumed,) = again.events(rank, Resumed)
        assert (resumed.step, resumed.passed_over) == (older, [newest])
        assert not (again.checkpoints(rank) / ".step-99.tmp").exists()
    _assert_equal(again, undisturbed)


def test_checkpoints_that_one_rank_lost_are_an_error_of_all(again: Run) -> None:
    steps = again.steps(0)
    shutil.rmtree(again.checkpoints(1))
    assert again.finish() == [78, 78]
    for rank in (0, 1):
        error = again.events(rank, Error)[-1]
        assert error.code == "checkpoint_lost"
        assert f"node-0: step {steps[0]}, step {steps[1]}; node-1: none" in error.message
    assert again.steps(0) == steps


def test_another_configuration_does_not_go_on_from_it(again: Run) -> None:
    steps = again.steps(0)
    changed = CONFIG | {"optim": CONFIG["optim"] | {"lr": 1e-3}}
    assert again.finish(changed) == [78, 78]
    error = again.events(1, Error)[-1]
    assert error.code == "checkpoint_unfit"
    assert "optim.lr was 0.005, now is 0.001" in error.message
    assert again.steps(0) == again.steps(1) == steps


def _assert_equal(run: Run, undisturbed: Run) -> None:
    """Weights, losses of every step and evaluation, tokens: all as if nothing had happened."""
    for rank in range(run.world_size):
        (ours,), (theirs,) = run.events(rank, Result), undisturbed.events(rank, Result)
        assert ours.weights_sha256 == theirs.weights_sha256
        measured = {"seconds", "saved", "tokens_per_second", "memory_peak", "memory",
                    "step_seconds"}  # fmt: skip
        assert ours.model_dump(exclude=measured) == theirs.model_dump(exclude=measured)
        assert _last_told(run, rank) == _last_told(undisturbed, rank)
        losses = {told.step: told.loss for told in run.events(rank, Eval)}
        assert losses == {told.step: told.loss for told in undisturbed.events(rank, Eval)}
        assert len(run.steps(rank)) == 2
    file = "run/adapter/adapter_model.safetensors"
    assert (run.node(0) / file).read_bytes() == (undisturbed.node(0) / file).read_bytes()


def _last_told(run: Run, rank: int) -> dict[int, tuple[object, ...]]:
    """A killed attempt told steps that the next one made again."""
    return {
        told.step: (told.loss, told.lr, told.grad_norm, told.tokens)
        for told in run.events(rank, Step)
    }
