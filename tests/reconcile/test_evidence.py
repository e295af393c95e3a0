"""A machine that we changed, and whose journal is gone or cannot be read, is never passed over."""

from dataclasses import replace
from typing import Any

import pytest

from orchestrator.doctor.before_change import check_down
from orchestrator.errors import JournalError, NodeErrors, PreflightError, SparkctlError
from orchestrator.facts.journal import Unreadable
from orchestrator.facts.machine import Facts
from orchestrator.reconcile.evidence import left_unread
from orchestrator.reconcile.plan import plan_up
from tests.support.clusters import changed, cluster, world_of
from tests.support.simulate import made

SPEC = cluster()


@pytest.fixture
def world() -> dict[str, Facts]:
    bare = world_of(SPEC)
    return made(plan_up(SPEC, bare), SPEC, bare)


def refused(world: dict[str, Facts]) -> list[str | None]:
    try:
        check_down(SPEC, world)
    except SparkctlError as error:
        assert error.exit_code == PreflightError.exit_code
        errors = error.errors if isinstance(error, NodeErrors) else (error,)
        assert all("docker swarm leave --force" in str(one.resolution) for one in errors)
        return [one.node for one in errors]
    return []


def test_a_machine_that_is_as_it_was_left_passes(world: dict[str, Facts]) -> None:
    assert refused(world) == []
    assert refused(world_of(SPEC)) == []


@pytest.mark.parametrize("name", ["spark-a", "spark-b"])
def test_the_label_in_the_swarm_says_that_it_is_ours(world: dict[str, Facts], name: str) -> None:
    world[name] = replace(world[name], journal={})
    assert refused(world) == [name]


def test_the_other_s_journal_says_it_of_a_manager_that_lists_nobody(
    world: dict[str, Facts],
) -> None:
    world["spark-a"] = replace(world["spark-a"], journal={}, swarm_nodes=())
    assert refused(world) == ["spark-a"]


def test_a_swarm_of_somebody_else_is_no_evidence() -> None:
    swarm: dict[str, Any] = {"LocalNodeState": "active", "NodeID": "x", "ControlAvailable": True}
    listed = {"ID": "x", "Spec": {"Labels": {"sparkctl.cluster": "shelf"}}}
    world = world_of(SPEC, {"spark-a": {"swarm": swarm, "swarm_nodes": [listed]}})
    assert refused(world) == []


def test_who_has_left_by_hand_lets_the_others_go(world: dict[str, Facts]) -> None:
    left = changed(world["spark-a"], {"swarm": {"LocalNodeState": "inactive", "NodeID": ""}})
    world["spark-a"] = replace(left, journal={}, swarm_nodes=())
    assert refused(world) == []


def test_records_that_cannot_be_read_are_told_at_the_end(world: dict[str, Facts]) -> None:
    assert left_unread(SPEC, world) is None
    for name in world:
        world[name] = replace(world[name], journal={"0003-x.json": Unreadable("it is empty")})
    error = left_unread(SPEC, world)
    assert isinstance(error, JournalError)
    assert "2 journal records" in error.brief
    assert str(error.details).splitlines() == [
        f"{name}: /var/lib/sparkctl/journal/0003-x.json: it is empty" for name in world
    ]
    assert "sudo mv /var/lib/sparkctl/journal/0003-x.json" in str(error.resolution)
