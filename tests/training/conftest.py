"""Fixtures of the training tests."""

import pytest
from two_nodes import Nodes


@pytest.fixture(scope="session")
def nodes(tmp_path_factory: pytest.TempPathFactory) -> Nodes:
    """Simulated nodes; their caches live as long as the test session."""
    return Nodes(tmp_path_factory.mktemp("caches"), lambda: tmp_path_factory.mktemp("run"))
