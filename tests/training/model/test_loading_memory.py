"""Loading takes a rank its share of memory and files; docs/benchmarks.md has the times."""

from collections.abc import Iterator
from typing import Any

import pytest

pytestmark = [pytest.mark.torch, pytest.mark.filterwarnings("ignore")]


@pytest.fixture(scope="module")
def copies(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Any]:
    """2 GB of weights and more in ten files; those of experts become other weights."""
    from benchmarks.loading import OTHERS, SIZES, checkpoint

    size = (SIZES | OTHERS)[request.param]
    with checkpoint(size, tmp_path_factory.mktemp("base")) as made:
        assert made.bytes > 2e9
        yield made


@pytest.mark.sample(1)
@pytest.mark.parametrize(
    ("copies", "ranks"), [("middle", 2), ("middle", 4), ("experts", 2)], indirect=["copies"]
)
def test_a_rank_takes_its_share_and_no_more(copies: Any, ranks: int) -> None:
    from benchmarks.load_rank import OURS
    from benchmarks.loading import measure

    share = copies.bytes / ranks
    for taken in measure(OURS, copies, ranks):
        # A lazy map of the files would take no memory on a CPU, so that alone would prove nothing.
        assert taken.shared and 2 * taken.held <= 1.001 * share
        assert taken.read is not None and taken.read <= 1.02 * share
        assert taken.anonymous <= 1.05 * share
        assert taken.anonymous >= 0.95 * share, "the weights are not in memory at all"
        if taken.rank == 0:  # its files are its own, as on a node
            assert taken.cached <= 1.02 * copies.largest
