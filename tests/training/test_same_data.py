"""Ranks that read different rows under one name never train together."""

import json
from pathlib import Path

import pytest

from tests.support.ranks.recipe import TINY
from tests.support.ranks.run import Run
from training.contract.events import Error, Phase

pytestmark = pytest.mark.torch


def test_nodes_with_different_data_are_refused_by_all(tmp_path: Path) -> None:
    data = TINY["data"] | {"name": "/proc/self/cwd/rows.jsonl", "held_out_rows": 1}
    run = Run(tmp_path, tmp_path / "caches", TINY | {"data": data}, 2)
    for rank in (0, 1):
        rows = [{"prompt": f"p{i}", "completion": f"c{i * rank}"} for i in range(3)]
        run.node(rank).mkdir()
        (run.node(rank) / "rows.jsonl").write_text("\n".join(map(json.dumps, rows)))
    assert run.finish() == [78, 78], run.stderr(0)
    for rank in (0, 1):
        assert run.events(rank, Error)[0].code == "data_mismatch"
        assert "preparing base" not in {phase.name for phase in run.events(rank, Phase)}
