"""Fixtures of the training tests."""

import re
from pathlib import Path

import pytest

from tests.support.ranks.nodes import Nodes
from training.contract.environment import RunEnvironment

_NEEDS_TORCH = re.compile(r'^(torch = )?pytest\.importorskip\("torch"\)$', re.MULTILINE)


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Where no test of torch is to run, files that import it are not read: it takes seconds."""
    if "not torch" not in config.option.markexpr or collection_path.suffix != ".py":
        return None
    return bool(_NEEDS_TORCH.search(collection_path.read_text(encoding="utf-8"))) or None


@pytest.fixture
def alone(tmp_path: Path) -> RunEnvironment:
    """What the only rank of a run is told."""
    return RunEnvironment(
        run_id="run-1", nonce="n", node="spark-a", rank=0, world_size=1, run_dir=tmp_path,
        cache_dir=tmp_path, data_dir=tmp_path, launched_rank=0, launched_world_size=1, local_rank=0,
    )  # fmt: skip


@pytest.fixture(scope="session")
def nodes(tmp_path_factory: pytest.TempPathFactory) -> Nodes:
    """Simulated nodes; their caches live as long as the test session."""
    return Nodes(tmp_path_factory.mktemp("caches"), lambda: tmp_path_factory.mktemp("run"))
