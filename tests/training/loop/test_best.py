"""The best step is kept and a training that gets no better ends: the same after any stop."""

import json
import math
import shutil
import signal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.ranks.nodes import Nodes
from tests.support.ranks.recipe import TINY
from tests.support.ranks.run import Run
from training.contract.events import AdapterSaved, Eval, Result, Resumed, Saved
from training.loop.best import Standing, standing

pytestmark = [pytest.mark.torch, pytest.mark.filterwarnings("ignore")]

CONFIG: dict[str, Any] = TINY | {
    "method": {"kind": "lora", "r": 8, "alpha": 16, "dropout": 0.1},
    "data": TINY["data"] | {"rows": 4, "held_out_rows": 8},
    "optim": {"lr": 4e-2, "schedule": "constant"},  # so large that the loss goes up and down
    "loop": {
        "max_steps": 12, "per_device_batch_size": 2, "eval_every": 2,
        "keep": "best", "patience": 1, "seed": 6,
    },
    "checkpoint": {"every": 1, "keep": 1, "adapter_every": 2, "adapter_keep": 2},
}  # fmt: skip
FULL: dict[str, Any] = CONFIG | {
    "method": {"kind": "full"},
    "optim": {"lr": 3e-3, "schedule": "constant"},
    "checkpoint": {"every": 1, "keep": 1},
}


@pytest.mark.parametrize(
    ("losses", "min_delta", "expected"),
    [
        ({}, 0, Standing(None, 0)),
        ({0: 1.0}, 0, Standing(None, 0)),
        ({0: 1.0, 2: 3.0}, 0, Standing(2, 0)),  # nothing was learned at step 0
        ({2: 3.0, 4: 2.0, 6: 2.0, 8: 2.5}, 0, Standing(4, 2)),
        ({2: 3.0, 4: 2.9, 6: 2.8}, 0.5, Standing(6, 2)),  # the best, but not by enough
        ({8: 1.0, 2: 3.0}, 0, Standing(8, 0)),  # in the order of steps
        ({2: math.nan, 4: 2.0, 6: math.nan}, 0, Standing(4, 1)),
        ({2: math.inf}, 0, Standing(None, 1)),
    ],
)
def test_standing(losses: dict[int, float], min_delta: float, expected: Standing) -> None:
    assert standing(losses, min_delta) == expected


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.floats(0, 10).map(lambda x: round(x, 1)), max_size=12),
    st.integers(1, 4),
    st.sampled_from([0.0, 0.5, 2.0]),
)
def test_it_ends_where_transformers_ends(
    losses: list[float], patience: int, min_delta: float
) -> None:
    pytest.importorskip("torch")
    from transformers import EarlyStoppingCallback, TrainerControl, TrainerState

    args: Any = SimpleNamespace(metric_for_best_model="loss", greater_is_better=False)
    theirs, state = EarlyStoppingCallback(patience, min_delta), TrainerState()
    for step, loss in enumerate(losses, start=1):
        control = TrainerControl()
        theirs.on_evaluate(args, state, control, {"eval_loss": loss})
        if state.best_metric is None or loss < state.best_metric:  # as their trainer does
            state.best_metric, state.best_global_step = loss, step
        now = standing(dict(enumerate(losses[:step], start=1)), min_delta)
        assert (now.waited >= patience) == control.should_training_stop
        assert now.best == state.best_global_step


@pytest.fixture(scope="module", params=["lora", "full"])
def undisturbed(
    request: pytest.FixtureRequest, nodes: Nodes, tmp_path_factory: pytest.TempPathFactory
) -> Run:
    """How it goes when nothing happens: two ranks with a sharded base."""
    config = {"lora": CONFIG, "full": FULL}[request.param]
    run = Run(tmp_path_factory.mktemp("run"), nodes.caches, config, 2)
    assert run.finish() == [0, 0], run.stderr(0)
    return run


def results(run: Run) -> tuple[Result, Result]:
    """Of both ranks."""
    (ours,), (theirs,) = run.events(0, Result), run.events(1, Result)
    return ours, theirs


def test_the_best_step_is_kept_by_all(undisturbed: Run) -> None:
    ours, theirs = results(undisturbed)
    losses = {e.step: e.loss for e in undisturbed.events(0, Eval) if e.loss and e.step}
    assert ours.ended_early and ours.step == max(losses) < 12
    assert ours.kept_step == min(losses, key=lambda step: losses[step]) < ours.step
    assert ours.eval_loss_last == losses[ours.kept_step]
    assert (ours.weights_sha256, ours.kept_step) == (theirs.weights_sha256, theirs.kept_step)
    saved = undisturbed.node(0) / "run" / Path(str(ours.saved)).name
    assert f"these weights are of step {ours.kept_step}" in (saved / "README.md").read_text()


def test_they_are_the_weights_of_that_step(undisturbed: Run, tmp_path: Path) -> None:
    """A training of so many steps ends with the same."""
    kept = results(undisturbed)[0].kept_step
    loop = {"max_steps": kept, "per_device_batch_size": 2, "eval_every": 2, "seed": 6}
    run = Run(tmp_path, undisturbed.caches, dict(undisturbed.config) | {"loop": loop}, 2)
    assert run.finish() == [0, 0], run.stderr(0)
    assert results(run)[0].weights_sha256 == results(undisturbed)[0].weights_sha256


def test_stopped_and_killed_it_decides_the_same(undisturbed: Run, tmp_path: Path) -> None:
    run = Run(tmp_path, undisturbed.caches, undisturbed.config, 2)
    expected, _ = results(undisturbed)
    with run.attempt() as gang:
        gang.reach(3)
        gang.signal(signal.SIGTERM, 1)
        assert gang.end() == [143, 143], run.stderr(0)
    with run.attempt() as gang:
        gang.reach(expected.step - 1)  # the best is behind, and not the newest checkpoint
        gang.signal(signal.SIGKILL, 1)
        assert gang.end() == [75, -signal.SIGKILL], run.stderr(0)
    assert run.finish() == [0, 0], run.stderr(0)
    assert len(run.events(0, Resumed)) == 2
    ours, _ = results(run)
    told = {"kept_step", "step", "ended_early", "eval_loss_last", "weights_sha256"}
    assert ours.model_dump(include=told) == expected.model_dump(include=told)


@pytest.mark.parametrize("undisturbed", ["lora"], indirect=True)
def test_the_best_stays_while_it_is_wanted_and_no_longer(undisturbed: Run) -> None:
    ours, _ = results(undisturbed)
    for rank in (0, 1):
        assert undisturbed.steps(rank) == [ours.kept_step, ours.step - 1]
        newest = undisturbed.checkpoints(rank) / f"step-{ours.step - 1}/manifest.json"
        assert json.loads(newest.read_text())["best"] == ours.kept_step
    assert [told.step for told in undisturbed.events(0, Saved)] == list(range(1, ours.step))


@pytest.mark.parametrize("undisturbed", ["lora"], indirect=True)
def test_without_its_best_a_checkpoint_is_not_whole(undisturbed: Run, tmp_path: Path) -> None:
    shutil.copytree(undisturbed.folder, tmp_path / "run")
    run = Run(tmp_path / "run", undisturbed.caches, CONFIG, 2)
    shutil.rmtree(run.checkpoints(1) / f"step-{results(run)[0].kept_step}")
    assert run.finish() == [78, 78]
    assert "checkpoint_lost" in (run.node(0) / "stdout").read_text()


@pytest.mark.parametrize("undisturbed", ["lora"], indirect=True)
def test_adapters_on_the_way_load_in_plain_peft(undisturbed: Run) -> None:
    from peft import PeftModel
    from transformers import AutoModelForCausalLM, AutoTokenizer

    told = undisturbed.events(0, AdapterSaved)
    last = results(undisturbed)[0].step
    assert [event.step for event in told] == list(range(2, last + 1, 2))
    assert not undisturbed.events(1, AdapterSaved)
    folder = undisturbed.node(0) / "run/adapters"
    assert sorted(path.name for path in folder.iterdir()) == [f"step-{s}" for s in told[-1].kept]
    assert len(told[-1].kept) == 2
    assert not (undisturbed.node(1) / "run/adapters").exists()
    (base,) = (undisturbed.caches / "node-0").glob("tiny-llama-*")
    best = folder / f"step-{results(undisturbed)[0].kept_step}"
    model = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(base), best)
    assert model.active_peft_config.base_model_name_or_path == "builtin:tiny-llama"
    assert AutoTokenizer.from_pretrained(best).chat_template
    files = [place / "adapter_model.safetensors" for place in (best, folder.parent / "adapter")]
    assert files[0].read_bytes() == files[1].read_bytes()
