"""A name of one's own: what it may be, and who has it already."""

from pathlib import Path
from typing import Any

import pytest

from orchestrator.errors import RunError, SpecError
from orchestrator.runs.naming import require_free, require_name
from orchestrator.runs.reading import RunIndex
from orchestrator.runs.run import Run
from tests.runs.folders import RUN, Cluster, both


@pytest.mark.parametrize("name", ["a", "7", "my-run-1", "tiny-llama-lora-0a1b2c", "x" * 37])
def test_good_names(name: str) -> None:
    assert require_name(name) == name


@pytest.mark.parametrize(
    "name",
    ["", "-a", "a-", "My-Run", "a_b", "a.b", "a/b", "..", "x" * 38, "a\n", "ü", "a b", "$(id)"],
)
def test_names_that_no_run_can_have(name: str) -> None:
    with pytest.raises(SpecError, match="not a name for a run") as refused:
        require_name(name)
    assert "at most 37" in str(refused.value.resolution)


def test_the_word_for_the_newest_run_is_no_name() -> None:
    with pytest.raises(SpecError, match="no run can be called last"):
        require_name("last")


@pytest.fixture
def cluster(tmp_path: Path) -> Cluster:
    return Cluster(tmp_path)


def free(cluster: Cluster, name: str, *known: Run, services: tuple[Any, ...] = ()) -> None:
    """Of two nodes that see one folder."""
    cluster.engine.services = lambda filters: services  # type: ignore[attr-defined]
    runs = str(cluster.folder / "spark-a")
    manager = cluster.nodes["spark-a"]
    require_free(name, RunIndex(known, {}), runs, cluster.nodes, manager)


def test_a_run_that_has_it_is_named(cluster: Cluster) -> None:
    run = Run(cluster.record, {}, (), {})
    with pytest.raises(RunError, match=f"there is a run {RUN} already: it is lost") as taken:
        free(cluster, RUN, run)
    assert f"sparkctl runs rm {RUN}" in str(taken.value.resolution)
    cluster.engine.tasks_now = both("running")
    free(cluster, "another", run)


def test_a_folder_that_is_no_run_s_is_left_alone(cluster: Cluster) -> None:
    (cluster.folder / "spark-a" / "mine").symlink_to("nowhere")
    with pytest.raises(RunError, match=r"has something of that name: .*/mine"):
        free(cluster, "mine")


def test_a_stack_of_somebody_else_is_left_alone(cluster: Cluster) -> None:
    with pytest.raises(RunError, match="the swarm has a stack web already"):
        free(cluster, "web", services=({"ID": "x"},))
