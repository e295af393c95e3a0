"""Peaks of memory by kind: in the report of a run, on its page, and beside another run's."""

import io
from collections.abc import Mapping
from pathlib import Path

import pytest
from rich.console import Console

from orchestrator.runs.compare import compare
from orchestrator.runs.run import Run
from orchestrator.runs.seen import RankSeen
from orchestrator.runs.summary import summary
from orchestrator.ui.runs_view import show_run
from tests.runs.folders import Cluster, rank_event
from training.contract.events import Result, Step

EARLY = {"host": 2**30, "allocated": 2**31, "reserved": 3 * 2**30}
LATE = EARLY | {"reserved": 4 * 2**30}


@pytest.fixture
def cluster(tmp_path: Path) -> Cluster:
    return Cluster(tmp_path)


def step(memory: Mapping[str, int] | None) -> Step:
    event = rank_event("step", 0, step=3, loss=1.0, memory=memory).event
    assert isinstance(event, Step)
    return event


def result(memory: Mapping[str, int] | None) -> Result:
    event = rank_event("result", 0, saved="/run/adapter", memory=memory).event
    assert isinstance(event, Result)
    return event


def run_of(cluster: Cluster, *events: Step | Result) -> Run:
    """A run whose rank 0 has said this."""
    return Run(cluster.record, {0: RankSeen(events=events)}, (), {})


def test_the_report_has_those_of_the_whole_training(cluster: Cluster) -> None:
    so_far = summary(run_of(cluster, step(EARLY)))
    assert [rank.memory for rank in so_far.ranks] == [EARLY, None]
    assert summary(run_of(cluster, step(EARLY), result(LATE))).ranks[0].memory == LATE
    assert summary(run_of(cluster, step(None), result(None))).ranks[0].memory is None


def test_the_page_of_a_run_shows_them(cluster: Cluster) -> None:
    for events, said in ((step(EARLY), 1), (step(None), 0)):
        run, out = run_of(cluster, events), io.StringIO()
        show_run(run, summary(run), Console(file=out, width=160))
        told = "peak memory: host 1.0 GiB, allocated 2.0 GiB, reserved 3.0 GiB"
        assert out.getvalue().count(told) == said


def test_two_runs_are_compared_by_kind(cluster: Cluster) -> None:
    of_cpu = result({"host": 2**30})
    told = compare(run_of(cluster, result(LATE)), run_of(cluster, of_cpu)).results
    peaks = {one.key: one.values for one in told if one.key.startswith("peak memory,")}
    assert peaks == {
        "peak memory, host (bytes)": (2**30, 2**30),
        "peak memory, allocated (bytes)": (2**31, None),
        "peak memory, reserved (bytes)": (4 * 2**30, None),
    }
    neither = compare(run_of(cluster, result(None)), run_of(cluster, result(None))).results
    assert not any(one.key.startswith("peak memory,") for one in neither)
