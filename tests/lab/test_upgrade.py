"""What an older sparkctl has left on machines works with this one, for ever.

The older one is a wheel, built from its commit in git: cluster, run and checkpoints are made by its
code and its own training image; then this code takes over.
"""

import hashlib
import io
import json
import os
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.lab.machine import Machine, snapshot
from tests.lab.sparkctl import Sparkctl
from tests.lab.test_gang import RUNS
from tests.support.clusters import ROOT

RELEASES = ["ff2cd89"]
"""Commits whose state must be read. A new one joins when it changes what is left on machines."""


@pytest.fixture(scope="module", params=RELEASES)
def wheel(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The unpacked wheel of a commit: first on PYTHONPATH; what it needs is installed here."""
    commit: str = request.param
    known = _git("cat-file", "-e", f"{commit}^{{commit}}")
    if known.returncode != 0:
        pytest.skip(f"this clone does not have {commit}: git fetch --unshallow")
    folder = tmp_path_factory.mktemp(commit)
    with tarfile.open(fileobj=io.BytesIO(_git("archive", commit).stdout)) as archive:
        archive.extractall(folder / "source", filter="data")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(build, cwd=folder / "source", check=True, capture_output=True)
    (built,) = folder.glob("*.whl")
    with zipfile.ZipFile(built) as archive:
        archive.extractall(folder / "unpacked")
    return folder / "unpacked"


def _git(*args: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(["git", *args], cwd=ROOT, capture_output=True, check=False)


@pytest.fixture
def older(sparkctl: Sparkctl, wheel: Path) -> Sparkctl:
    """`sparkctl` of then, with the same cluster file."""
    then = Sparkctl(sparkctl.file, {"PYTHONPATH": str(wheel)})
    where = subprocess.run(
        [sys.executable, "-c", "import orchestrator, training; print(orchestrator.__path__[0])"],
        cwd=sparkctl.file.parent, env=os.environ | then.env, capture_output=True, text=True,
        check=True,
    )  # fmt: skip
    assert Path(where.stdout.strip()).is_relative_to(wheel)
    return then


def test_machines_of_an_older_version_are_read_and_given_back(
    machines: dict[str, Machine],
    sparkctl: Sparkctl,
    older: Sparkctl,
    later: Callable[[Callable[[], object]], None],
    tmp_path: Path,
) -> None:
    sparkctl("cluster", "plan")  # the very first use of sudo leaves its own mark in the home
    before = {name: snapshot(machine) for name, machine in machines.items()}
    later(lambda: sparkctl("cluster", "down", "--yes", "--delete-runs"))
    older("cluster", "up", "--yes")
    lines = older(
        "train", "tiny-llama-lora", "--json", "--set", "training.loop.max_steps=6",
        "--set", "training.checkpoint.every=3",
    ).stdout.splitlines()  # fmt: skip
    name = json.loads(lines[0])["run"]
    first = older("runs", "show", name, "--json").json()["runs"][0]

    status = sparkctl("cluster", "status", "--json").json()
    assert [node["swarm_state"] for node in status["nodes"]] == ["ready", "ready"]
    (listed,) = sparkctl("runs", "list", "--json").json()["runs"]
    assert (listed["run"], listed["state"]) == (name, "succeeded")
    shown = sparkctl("runs", "show", "last", "--json").json()["runs"][0]
    for key in ("created", "state", "step", "total_steps", "loss", "losses", "attempts"):
        assert shown.get(key) == first.get(key), key
    assert "weights_sha256" in sparkctl("runs", "logs", name, "--events").stdout

    fetched = sparkctl("runs", "fetch", name, "--to", str(tmp_path), "--json").json()
    assert fetched["files"] == sum(path.is_file() for path in (tmp_path / name).rglob("*"))
    adapter = "adapter/adapter_model.safetensors"
    there = machines["spark-a"].run("sha256sum", f"{RUNS}/{name}/{adapter}").split()[0]
    assert hashlib.sha256((tmp_path / name / adapter).read_bytes()).hexdigest() == there
    assert (tmp_path / name / "log-rank1.txt").stat().st_size > 0
    assert json.loads((tmp_path / name / "run.json").read_text())["run"] == name

    sparkctl("runs", "rm", name, "--yes")
    assert sparkctl("runs", "list", "--json").json()["runs"] == []
    sparkctl("cluster", "down", "--yes")
    assert {name: snapshot(machine) for name, machine in machines.items()} == before
