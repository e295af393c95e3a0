"""Fixtures of the training tests."""

from importlib.util import find_spec

import pytest
from two_nodes import Nodes


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Without the training libraries the torch tests are skipped, and say so."""
    if all(find_spec(name) for name in ("torch", "transformers", "trl", "peft", "accelerate")):
        return
    for item in items:
        if item.get_closest_marker("torch"):
            item.add_marker(pytest.mark.skip(reason="needs torch and training/requirements.txt"))


@pytest.fixture(scope="session")
def nodes(tmp_path_factory: pytest.TempPathFactory) -> Nodes:
    """Simulated nodes; their caches live as long as the test session."""
    return Nodes(tmp_path_factory.mktemp("caches"), lambda: tmp_path_factory.mktemp("run"))
