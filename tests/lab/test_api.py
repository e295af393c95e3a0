"""The example of docs/api.md, word for word, on two simulated Sparks."""

import re
import subprocess
import sys
from pathlib import Path

from tests.lab.machine import Machine, snapshot
from tests.lab.sparkctl import DEADLINE, Sparkctl
from tests.support.clusters import ROOT


def test_the_example_of_the_page_runs(
    sparkctl: Sparkctl, machines: dict[str, Machine], tmp_path: Path
) -> None:
    page = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    (tmp_path / "example.py").write_text(example, encoding="utf-8")
    cluster = tmp_path / "cluster.yaml"
    cluster.write_text(sparkctl.file.read_text(encoding="utf-8"), encoding="utf-8")
    (tmp_path / ".lab").symlink_to(sparkctl.file.parent / ".lab")
    sparkctl("cluster", "plan")
    before = {name: snapshot(machine) for name, machine in machines.items()}
    try:
        done = subprocess.run(
            [sys.executable, "example.py"], cwd=tmp_path, env={"PYTHONPATH": str(ROOT)},
            capture_output=True, text=True, timeout=DEADLINE, check=False,
        )  # fmt: skip
    finally:
        sparkctl("cluster", "down", "--yes", "--delete-runs")
    assert done.returncode == 0, done.stderr
    last = done.stdout.splitlines()[-1]
    state, losses = last.split(" ", 1)
    assert (state, losses.count(",")) == ("succeeded", 4)
    assert list((tmp_path / "results").glob("*/adapter/adapter_model.safetensors"))
    assert {name: snapshot(machine) for name, machine in machines.items()} == before
