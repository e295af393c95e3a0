"""The launcher gives its rank the signal and the time to save, and keeps its exit status."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from two_nodes import ACCELERATE, DEADLINE, ROOT, free_port

pytestmark = pytest.mark.torch

RANK = """\
import os, pathlib, signal, sys
mine = pathlib.Path(sys.argv[1])
def save(*_):
    mine.write_text("saved")
    os._exit(42)
signal.signal(signal.SIGTERM, save)
mine.write_text("running")
os.kill(os.getppid(), signal.SIGTERM)  # as Docker does, to the launcher
while True:
    signal.pause()
"""


def test_told_to_stop_it_passes_that_on_and_waits_for_its_rank(tmp_path: Path) -> None:
    (tmp_path / "rank.py").write_text(RANK)
    pair, own = free_port(), free_port()
    launchers = [
        _launch(tmp_path, rank, size, port)
        for rank, size, port in ((0, 2, pair), (1, 2, pair), (0, 1, own))
    ]
    try:
        assert [launcher.wait(timeout=DEADLINE) for launcher in launchers] == [42, 42, 42]
    finally:
        for launcher in launchers:
            launcher.kill()
            launcher.wait()
    for name in ("0-of-2", "1-of-2", "0-of-1"):
        assert (tmp_path / name).read_text() == "saved"


def _launch(folder: Path, rank: int, size: int, port: int) -> "subprocess.Popen[bytes]":
    config = folder / f"{rank}-of-{size}.yaml"
    config.write_text(ACCELERATE.format(world_size=size, rank=rank, port=port))
    return subprocess.Popen(
        [sys.executable, "-m", "training.launch", "--config_file", str(config),
         str(folder / "rank.py"), str(config.with_suffix(""))],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        start_new_session=True,
    )  # fmt: skip
