"""What all tests share: the option that rewrites generated files, and how hypothesis searches."""

import gc
import os
from pathlib import Path

import pytest
from hypothesis import settings

from tests.support.generated import Generated
from tests.support.sample import left_out

# The same examples every time, so that a red run is red again; HYPOTHESIS_PROFILE=search looks
# further (run it now and then); `few` is for `make test-fast`, and for copies of the tree.
settings.register_profile("steady", deadline=None, max_examples=60, database=None, derandomize=True)
settings.register_profile("few", settings.get_profile("steady"), max_examples=15)
settings.register_profile("search", deadline=None, max_examples=3000, database=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "steady"))


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--update-golden",
        action="store_true",
        help="write golden files, docs/schema/*, docs/errors.md, docs/checks.md and "
        "docs/reference.md anew; then read `git diff`",
    )


@pytest.hookimpl(trylast=True)  # after -k and -m: of what is left
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what the mark `sample` leaves out."""
    if out := left_out(items):
        gone = set(out)
        items[:] = [item for item in items if item not in gone]
        config.hook.pytest_deselected(items=out)


def pytest_collection_finish() -> None:
    """What thousands of tests are made of stays to the end: it is not looked through again and
    again for what could be freed."""
    gc.freeze()


@pytest.fixture
def generated(request: pytest.FixtureRequest) -> Generated:
    """Compares text with a file of the repository, or writes it with --update-golden."""
    return Generated(Path(request.config.rootpath), request.config.getoption("--update-golden"))
