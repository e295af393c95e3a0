"""The matrix of faults, without machines: its points, its order, its table."""

import subprocess
import sys
from dataclasses import replace
from datetime import date
from pathlib import Path
from random import Random

import pytest

from orchestrator.node.node import Node
from orchestrator.reconcile.lock_scripts import beat
from orchestrator.testing.connection import FakeConnection
from tests.faults import table
from tests.faults.fault import Command
from tests.faults.matrix import CUT, FULL_DISK, KILLED, Seens, every, in_order, points, sample
from tests.faults.point import Point, Seen
from tests.faults.trial import Outcome, Trial
from tests.faults.watch import Watch, WatchedConnection

UP = [
    Seen("start", "spark-a", 1, 0.3),
    Seen("start", "spark-a", 2, 0.1),
    Seen("before", "spark-a/daemon.json", 0, 0.0),
    Seen("before", "spark-a/daemon.json", 1, 1.0),
    Seen("after", "spark-a/daemon.json", 0, 0.0),
    Seen("after", "spark-a/daemon.json", 1, 0.1),
]
DOWN = [replace(seen, what=seen.what.replace("-a", "-b")) for seen in UP]
SEENS: Seens = {"up": UP, "down": DOWN}


def test_what_the_watcher_takes_hold_of_is_there(tmp_path: Path) -> None:
    """It replaces two names of the program: one that moved would end every trial in the lab."""
    watched = [sys.executable, "-m", "tests.faults.watched"]
    said = subprocess.run(
        [*watched, "note", tmp_path / "seen", "--", "--version"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (said.returncode, said.stderr) == (0, "")


def test_a_kill_comes_before_after_and_within() -> None:
    assert [str(point) for point in points(KILLED, "up", UP)] == [
        "start spark-a, 0.05 s into operation 2",
        "before spark-a/daemon.json",
        "before spark-a/daemon.json, 0.20 s into operation 1",
        "before spark-a/daemon.json, 0.50 s into operation 1",
        "before spark-a/daemon.json, 0.80 s into operation 1",
        "after spark-a/daemon.json",
        "after spark-a/daemon.json, 0.05 s into operation 1",
    ]


def test_a_disk_gets_full_just_before_a_record() -> None:
    assert points(FULL_DISK, "up", UP) == [Point("after", "spark-a/daemon.json")]


def test_every_point_is_left_both_ways() -> None:
    trials = every(SEENS)
    assert len(trials) == len(set(trials))
    assert {(t.fault, t.command, t.point, "up") for t in trials if t.way == "up"} == {
        (t.fault, t.command, t.point, "up") for t in trials if t.way == "down"
    }


@pytest.mark.parametrize("seed", range(20))
def test_a_trial_begins_where_another_ended(seed: int) -> None:
    random = Random(seed)
    trials = random.sample(every(SEENS), 9)
    state: Command = "down"

    def switch(way: Command) -> None:
        nonlocal state
        assert state != way
        state = way

    gone = []
    for trial in in_order(trials, switch):
        assert state != trial.command
        state = trial.way
        gone.append(trial)
    assert state == "down"
    assert set(gone) == set(trials)
    assert len(gone) == len(trials)


def test_a_sample_needs_no_other_command_in_between() -> None:
    def switch(way: Command) -> None:
        raise AssertionError(way)

    assert len(list(in_order(sample(SEENS, Random(1)), switch))) == 7


def test_the_table_counts_points_and_what_was_lost() -> None:
    ok = Trial(CUT, "up", Point("before", "spark-a/swarm"), "down")
    outcomes = [Outcome(ok, 4, 9.0), Outcome(ok, 4, 9.0, "not as it was")]
    whole = table.text(outcomes, table.Run("26.1.5", date(2026, 1, 2), 90, 2))
    assert "2026-01-02, all trials in 2 minutes, on two machines with Docker 26.1.5." in whole
    text = table.text(outcomes, table.Run("26.1.5", date(2026, 1, 2), 90, 3))
    assert "2, chosen at random, of 3 trials" in text
    assert "| SSH connection cut | `up` | `down` | 2 | 1 |" in text
    document = "# A\n<!-- faults -->\nold\n<!-- /faults -->\nend\n"
    assert table.put(document, text) == f"# A\n<!-- faults -->\n{text}<!-- /faults -->\nend\n"


def test_a_sign_of_life_is_no_operation_of_a_change() -> None:
    """It comes every ten seconds: counted, a point of one run would not be there in the next."""
    noted: list[Seen] = []
    watch = Watch(None, lambda: None, noted.append)
    node = Node("spark-a", WatchedConnection(FakeConnection(lambda _: ""), "spark-a", watch))
    node.script(beat("/run/lock/x", "t"))
    assert noted == []
    node.script(":")
    assert [one.operation for one in noted] == [1]
