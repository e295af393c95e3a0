"""A user's own package named `training` must not become ours: a clear error, before it is used."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.clusters import ROOT


@pytest.mark.parametrize("name", ["training/__init__.py", "training.py"])
def test_another_training_is_refused_by_its_place(name: str, tmp_path: Path) -> None:
    file = tmp_path / "theirs" / name
    file.parent.mkdir(parents=True)
    file.write_text("raise SystemExit('theirs was run')\n", encoding="utf-8")
    path = os.pathsep.join([str(tmp_path / "theirs"), str(ROOT)])
    done = subprocess.run(
        [sys.executable, "-m", "orchestrator", "train", "tiny-llama-lora", "--dry-run"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "another Python package named `training`" in done.stderr
    assert str(tmp_path / "theirs" / "training") in done.stderr
    assert "uv tool install" in done.stderr
    assert "Traceback" not in done.stderr
