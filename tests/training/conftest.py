"""Fixtures of the training tests."""

import re
from pathlib import Path

import pytest

from tests.support.ranks.nodes import Nodes

_NEEDS_TORCH = re.compile(r'^(torch = )?pytest\.importorskip\("torch"\)$', re.MULTILINE)


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Where no test of torch is to run, files that import it are not read: it takes seconds."""
    if "not torch" not in config.option.markexpr or collection_path.suffix != ".py":
        return None
    return bool(_NEEDS_TORCH.search(collection_path.read_text(encoding="utf-8"))) or None


@pytest.fixture(scope="session")
def nodes(tmp_path_factory: pytest.TempPathFactory) -> Nodes:
    """Simulated nodes; their caches live as long as the test session."""
    return Nodes(tmp_path_factory.mktemp("caches"), lambda: tmp_path_factory.mktemp("run"))
