"""Machines come, go, and are replaced by editing the cluster file; one that is off can wait."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from orchestrator.lab.wait import until
from tests.lab.machine import Machine, snapshot
from tests.lab.sparkctl import Sparkctl

Edit = Callable[[dict[str, Any]], None]


@pytest.fixture
def edited(sparkctl: Sparkctl) -> Callable[[str, Edit], Path]:
    """The lab's cluster file under another name, with the nodes changed."""

    def write(name: str, edit: Edit) -> Path:
        document = yaml.safe_load(sparkctl.file.read_text())
        edit(document)
        path = sparkctl.file.with_name(f"{name}.yaml")
        path.write_text(yaml.safe_dump(document))
        return path

    return write


def _members(machines: dict[str, Machine]) -> list[str]:
    return machines["spark-a"].run("docker", "node", "ls", "--format", "{{.Hostname}}").split()


def test_a_node_comes_leaves_comes_back_and_is_forgotten(
    sparkctl: Sparkctl,
    machines: dict[str, Machine],
    edited: Callable[[str, Edit], Path],
    later: Callable[[Callable[[], object]], None],
) -> None:
    sparkctl("cluster", "plan")
    before = {name: snapshot(machine) for name, machine in machines.items()}
    later(lambda: sparkctl("cluster", "down", "--yes"))
    one = edited("one", lambda document: document["nodes"].pop())
    leaving = edited("leaving", lambda document: document["nodes"][1].update(state="absent"))

    sparkctl("cluster", "up", "--yes", file=one)
    assert "8 changes (7 create, 1 update) on 1 node" in sparkctl("cluster", "plan").stdout
    sparkctl("cluster", "up", "--yes")
    assert sorted(_members(machines)) == ["spark-a", "spark-b"]

    gone = sparkctl("cluster", "up", "--yes", file=leaving).stdout
    assert "leave the swarm" in gone
    assert _members(machines) == ["spark-a"]
    assert snapshot(machines["spark-b"]) == before["spark-b"]
    assert "no changes" in sparkctl("cluster", "status", "--check", file=leaving).stdout

    sparkctl("cluster", "up", "--yes")
    assert sorted(_members(machines)) == ["spark-a", "spark-b"]
    planned = sparkctl("cluster", "plan", file=one).stdout
    assert "remove the former nodes spark-b from the swarm" in planned
    assert "`state: absent`" in planned
    sparkctl("cluster", "up", "--yes", file=one)
    assert _members(machines) == ["spark-a"]
    sparkctl("cluster", "down", "--yes")
    assert {name: snapshot(machine) for name, machine in machines.items()} == before


def test_a_file_that_is_not_the_machines_any_more_is_explained_and_nothing_is_lost(
    sparkctl: Sparkctl,
    machines: dict[str, Machine],
    edited: Callable[[str, Edit], Path],
    later: Callable[[Callable[[], object]], None],
) -> None:
    """Renamed, swapped, sorted anew, of another cluster, one entry gone while a run is on it."""

    def swap(document: dict[str, Any]) -> None:
        first, second = document["nodes"]
        first["ssh"], second["ssh"] = second["ssh"], first["ssh"]

    renamed = edited("renamed", lambda d: d["nodes"][1].update(name="spark-z"))
    explained = {
        renamed: "the machine behind spark-z calls itself spark-b in its journal: renamed?",
        edited("swapped", swap): "and the other way round: swapped?",
        edited("sorted", lambda d: d["nodes"].reverse()): "spark-b is first in the cluster file",
        edited("foreign", lambda d: d.update(name="shelf")): "not to 'shelf'",
    }
    foreign = list(explained)[-1]
    sparkctl("cluster", "plan")
    before = {name: snapshot(machine) for name, machine in machines.items()}
    later(lambda: sparkctl("cluster", "down", "--yes"))
    sparkctl("cluster", "up", "--yes")
    during = {name: snapshot(machine) for name, machine in machines.items()}

    for file, words in explained.items():
        for command in (("plan",), ("up", "--yes")):
            failed = sparkctl("cluster", *command, file=file, expect=6)
            assert words in failed.stderr
        assert words in sparkctl("cluster", "status", file=file, expect=6).stderr
    assert "not to 'shelf'" in sparkctl("cluster", "down", "--yes", file=foreign, expect=6).stderr
    assert {name: snapshot(machine) for name, machine in machines.items()} == during

    one = edited("one", lambda document: document["nodes"].pop())
    steps = ("--set", "training.loop.max_steps=100000")
    started = sparkctl("train", "tiny-llama-lora", "--detach", *steps).stdout
    run = next(line.split()[1].rstrip(":") for line in started.splitlines() if "run " in line)
    failed = sparkctl("cluster", "up", "--yes", file=one, expect=6)
    assert "spark-b is to leave the swarm, and a rank of a run is on it" in failed.stderr
    assert sorted(_members(machines)) == ["spark-a", "spark-b"]
    sparkctl("runs", "stop", run)
    sparkctl("runs", "rm", run, "--yes")

    sparkctl("cluster", "down", "--yes", file=renamed)
    assert {name: snapshot(machine) for name, machine in machines.items()} == before


def test_a_machine_that_is_off_does_not_stop_the_others(
    sparkctl: Sparkctl,
    machines: dict[str, Machine],
    closed_port: int,
    edited: Callable[[str, Edit], Path],
    later: Callable[[Callable[[], object]], None],
) -> None:
    sparkctl("cluster", "plan")
    before = {name: snapshot(machine) for name, machine in machines.items()}
    off = edited("off", lambda d: d["nodes"][1]["ssh"].update(port=closed_port))
    later(lambda: sparkctl("cluster", "down", "--yes"))

    assert "E200" in sparkctl("cluster", "up", "--yes", file=off, expect=4).stderr
    assert {name: snapshot(machine) for name, machine in machines.items()} == before
    ran = sparkctl("cluster", "up", "--yes", "--skip-offline", "--json", file=off)
    assert ran.json()["skipped"] == ["spark-b"]
    assert "skipped: spark-b" in ran.stderr
    assert _members(machines) == ["spark-a"]
    assert snapshot(machines["spark-b"]) == before["spark-b"]

    sparkctl("cluster", "up", "--yes")
    again = sparkctl("cluster", "up", "--yes", "--skip-offline", file=off)
    assert "no changes" in again.stdout
    sparkctl("cluster", "down", "--yes", "--skip-offline", file=off)
    assert snapshot(machines["spark-a"]) == before["spark-a"]
    sparkctl("cluster", "down", "--yes")
    assert snapshot(machines["spark-b"]) == before["spark-b"]


def test_a_machine_that_was_reinstalled_takes_its_place_again(
    up: Sparkctl, machines: dict[str, Machine]
) -> None:
    """It has left by itself, and its journal is lost with its disk; the swarm still lists it."""
    machines["spark-b"].run("docker", "swarm", "leave", "--force")
    until(
        lambda: "Down" in machines["spark-a"].run("docker", "node", "ls"),
        what="the manager's notice",
        deadline_seconds=60,
    )
    assert len(_members(machines)) == 2
    planned = up("cluster", "plan").stdout
    assert "join the swarm of spark-a" in planned
    assert "remove the former nodes spark-b from the swarm" in planned
    up("cluster", "up", "--yes")
    assert sorted(_members(machines)) == ["spark-a", "spark-b"]
