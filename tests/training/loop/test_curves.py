"""Curves in real trackers: TensorBoard, and W&B, MLflow and trackio without their servers."""

import json
import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.clusters import ROOT
from training.contract.events import Eval, Step

pytestmark = pytest.mark.torch

DRAW = """\
import json, sys
from pathlib import Path
from accelerate import PartialState
from training.contract.config import TrainingConfig
from training.loop.curves import Curves
from training.contract.errors import ConfigurationError
from training.contract.events import Eval, Step

PartialState(cpu=True)
folder, run, given, first, last = json.loads(sys.argv[1])
config = TrainingConfig.model_validate({
    "model": {"name": "builtin:tiny-llama"}, "data": {"name": "builtin:instructions"},
    "tracking": given,
})
try:
    curves = Curves(Path(folder), run, config, first - 1 if first > 1 else None)
except ConfigurationError as error:
    sys.exit(f"{error.code}: {error}")
for step in range(first, last + 1):
    curves.draw(Step(rank=0, step=step, total_steps=9, loss=1 / step, lr=1e-3, grad_norm=None,
                     tokens=5, tokens_per_second=7.0, seconds={"forward": 0.5}, elapsed=1.0))
curves.draw(Eval(rank=0, step=last, loss=0.25, elapsed=2.0))
curves.finish()
"""


def draw(
    folder: Path, *to: str, first: int = 1, last: int = 3, **environ: str
) -> "subprocess.CompletedProcess[str]":
    """In a process of its own, as a rank does: trackers keep much for themselves."""
    given = [str(folder), "tiny-1", {"to": to, "project": "tests"}, first, last]
    apart = {"PYTHONPATH": str(ROOT), "HOME": str(folder), "WANDB_MODE": "offline"}
    return subprocess.run(
        [sys.executable, "-c", DRAW, json.dumps(given)], cwd=folder, capture_output=True,
        env=os.environ | apart | environ, text=True, timeout=120, check=False,
    )  # fmt: skip


def test_what_is_known_is_drawn() -> None:
    from training.loop.curves import numbers

    step = Step(rank=0, step=1, total_steps=9, loss=float("nan"), lr=0.1, grad_norm=2.0, tokens=5,
                tokens_per_second=7.0, seconds={"data": 0.5}, elapsed=1.0)  # fmt: skip
    assert numbers(step) == {
        "train/lr": 0.1,
        "train/grad_norm": 2.0,
        "train/tokens_per_second": 7.0,
        "seconds/data": 0.5,
    }
    assert numbers(Eval(rank=0, step=1, loss=0.5, elapsed=1.0)) == {"eval/loss": 0.5}
    assert numbers(Eval(rank=0, step=1, loss=float("inf"), elapsed=1.0)) == {}


def test_mlflow_has_one_run_also_after_a_restart(tmp_path: Path) -> None:
    from mlflow.tracking import MlflowClient

    there = {"MLFLOW_TRACKING_URI": f"file://{tmp_path}/mlflow", "MLFLOW_ALLOW_FILE_STORE": "true"}
    assert draw(tmp_path, "mlflow", **there).returncode == 0
    done = draw(tmp_path, "mlflow", first=4, last=5, **there)
    assert done.returncode == 0, done.stderr
    os.environ["MLFLOW_ALLOW_FILE_STORE"] = "true"
    try:
        client = MlflowClient(there["MLFLOW_TRACKING_URI"])
        experiment = client.get_experiment_by_name("tests")
        assert experiment is not None
        (run,) = client.search_runs([experiment.experiment_id])
        points = client.get_metric_history(run.info.run_id, "train/loss")
    finally:
        del os.environ["MLFLOW_ALLOW_FILE_STORE"]
    assert [(point.step, point.value) for point in points] == [(n, 1 / n) for n in range(1, 6)]
    assert run.info.run_name == "tiny-1"
    assert run.data.params["optim.lr"] == "0.0001"
    assert run.data.metrics["eval/loss"] == 0.25


def test_trackio_keeps_its_numbers_in_the_run_folder(tmp_path: Path) -> None:
    done = draw(tmp_path, "trackio")
    assert done.returncode == 0, done.stderr
    with sqlite3.connect(tmp_path / "trackio" / "tests.db") as database:
        rows = database.execute("select run_name, step, metrics from metrics").fetchall()
    database.close()
    told = [(run, step, json.loads(metrics)) for run, step, metrics in rows]
    losses = [(run, step, m["train/loss"]) for run, step, m in told if "train/loss" in m]
    assert losses == [("tiny-1", n, 1 / n) for n in range(1, 4)]


def test_wandb_writes_a_run_that_can_be_sent_later(tmp_path: Path) -> None:
    done = draw(tmp_path, "wandb")
    assert done.returncode == 0, done.stderr
    (file,) = (tmp_path / "wandb").glob("offline-run-*/run-tiny-1.wandb")
    written = file.read_bytes()
    for word in (b"train/loss", b"seconds/forward", b"eval/loss", b"optim.lr"):
        assert word in written


def test_a_tracker_that_cannot_begin_ends_a_run_that_has_not_begun(tmp_path: Path) -> None:
    refused = draw(tmp_path, "mlflow", MLFLOW_TRACKING_URI="")
    assert refused.returncode == 1
    assert "tracker_refused: mlflow does not start" in refused.stderr
    assert "MLFLOW_TRACKING_URI is not set" in refused.stderr
    went_on = draw(tmp_path, "mlflow", first=4, MLFLOW_TRACKING_URI="")
    assert went_on.returncode == 0
    assert "mlflow is given up" in went_on.stderr


def test_a_tracker_that_fails_later_is_given_up(tmp_path: Path) -> None:
    """Its database is gone in the middle."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    there = {"MLFLOW_TRACKING_URI": f"file://{tmp_path}/mlflow", "MLFLOW_ALLOW_FILE_STORE": "true"}
    broken = DRAW.replace(
        "for step in", "import shutil; shutil.rmtree(f'{folder}/mlflow')\nfor step in"
    )
    given = [str(tmp_path), "tiny-1", {"to": ["mlflow"], "project": "tests"}, 1, 3]
    done = subprocess.run(
        [sys.executable, "-c", broken, json.dumps(given)], cwd=tmp_path, capture_output=True,
        env=os.environ | {"PYTHONPATH": str(ROOT)} | there, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("mlflow is given up") == 1
    drawn = EventAccumulator(str(tmp_path / "tensorboard")).Reload()
    assert [point.step for point in drawn.Scalars("train/loss")] == [1, 2, 3]
