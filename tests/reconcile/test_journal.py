"""The journal: the first original is kept, and every resource comes back out of its record."""

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.facts.journal import Unreadable
from orchestrator.node.node import Node
from orchestrator.reconcile import journal
from orchestrator.reconcile.catalog import resources_for
from orchestrator.reconcile.journal import Record, record_for, records, unreadable
from orchestrator.reconcile.plan import plan_down, plan_up
from orchestrator.resources.base import Change, Resource, State
from orchestrator.resources.daemon_json import DaemonJson
from orchestrator.resources.directory import Directory
from orchestrator.resources.docker_group import DockerGroup
from orchestrator.resources.registry import REGISTRY
from orchestrator.resources.swarm import SwarmManager, SwarmWorker
from orchestrator.resources.swarm_resource import SwarmResource
from orchestrator.testing.connection import FakeConnection
from orchestrator.testing.facts import stock_spark
from tests.support.clusters import changed, cluster, sparks, world_of
from tests.support.simulate import made, written_record
from tests.support.strategies import values, words

OURS: list[Resource] = [
    DockerGroup("spark-a", "nvidia"),
    SwarmResource("spark-a", "DOCKER_RESOURCE_NVIDIA_GPU"),
    DaemonJson("spark-a", "NVIDIA_GPU", ("GPU-1", "GPU-2")),
    Directory("spark-a", "~/it's a folder", disposable=True),
    SwarmManager("spark-a", "192.168.100.1", "desk", "spark-a"),
    SwarmWorker("spark-a", "192.168.100.2", "desk", "spark-b", manager_address="192.168.100.1"),
]
KINDS = {one.kind for one in OURS}
WANTED = resources_for(sparks(1), world_of(sparks(1)))
RESOURCES = [*OURS, *(one for one in WANTED if one.journaled and one.kind not in KINDS)]
"""And those that came later, as a stock Spark needs them."""

WORLD = {"spark-a": stock_spark()}


def change_of(resource: Resource, before: State | None, after: State) -> Change:
    return Change("spark-a", resource.name, "create", "", 1, before, after)


def test_every_journaled_resource_is_tried_here() -> None:
    assert {type(resource) for resource in RESOURCES} == {one for one in REGISTRY if one.journaled}


@given(
    st.sampled_from(RESOURCES),
    st.none() | st.dictionaries(words, values),
    st.dictionaries(words, values),
)
def test_a_record_comes_back_as_it_was(resource: Resource, before: Any, after: Any) -> None:
    record = record_for([], "desk", resource, change_of(resource, before, after), WORLD)
    facts = stock_spark(journal={record.file: written_record(record, "spark-a")})
    assert records(facts) == [record]


def test_a_second_change_keeps_the_first_original() -> None:
    resource = DockerGroup("spark-a", "nvidia")
    first = record_for(
        [], "desk", resource, change_of(resource, {"member": False}, {"n": 1}), WORLD
    )
    again = record_for([first], "desk", resource, change_of(resource, {"n": 1}, {"n": 2}), WORLD)
    assert again == replace(first, written={"n": 2})
    assert again.original == {"member": False}


def test_a_second_change_by_a_resource_with_other_fields_keeps_the_first_original_too() -> None:
    """Another GPU kind is the same file."""
    old, new = DaemonJson("spark-a", "OLD", ("GPU-1",)), DaemonJson("spark-a", "NEW", ("GPU-1",))
    was, by_old, by_new = ({"file": {"text": text}, "active": True} for text in ("{}", "1", "2"))
    first = record_for([], "desk", old, change_of(old, was, by_old), WORLD)
    again = record_for([first], "desk", new, change_of(new, by_old, by_new), WORLD)
    assert (again.file, again.original, again.resource) == (first.file, was, new)


def test_a_file_that_the_user_mended_after_a_refusal_is_the_original_from_then_on() -> None:
    """Else `down` would bring the file back that dockerd does not accept."""
    spec = cluster()
    world = world_of(spec, {"spark-b": {"daemon_json": '{"no-such-key": 1}'}})
    refused = made(plan_up(spec, world), spec, world)["spark-b"].journal
    fixed = changed(world["spark-b"], {"daemon_json": '{"debug": true }'})
    world = {**world, "spark-b": replace(fixed, journal=refused)}
    up = made(plan_up(spec, world), spec, world)
    down = made(plan_down(spec, up), spec, up)
    assert down["spark-b"].daemon_json == fixed.daemon_json
    assert down["spark-b"].journal == {}


def test_records_are_numbered_in_the_order_of_the_changes() -> None:
    known: list[Record] = []
    for resource in RESOURCES[:5]:
        known.append(
            record_for(known, "desk", resource, change_of(resource, None, {"x": 1}), WORLD)
        )
    assert [record.file for record in known] == [
        "0001-docker-group.json",
        "0002-swarm-resource.json",
        "0003-daemon-json.json",
        "0004-directory-it-s-a-folder.json",
        "0005-swarm.json",
    ]


def test_a_number_is_not_used_twice_after_one_was_forgotten() -> None:
    kept = Record("0007-daemon-json.json", "desk", RESOURCES[2], None, {})
    new = record_for([kept], "desk", RESOURCES[0], change_of(RESOURCES[0], None, {"x": 1}), WORLD)
    assert new.file == "0008-docker-group.json"


def test_the_oldest_record_comes_first() -> None:
    one = Record("0002-b.json", "desk", RESOURCES[0], None, {})
    two = Record("0010-a.json", "desk", RESOURCES[1], None, {})
    written = {r.file: written_record(r, "spark-a") for r in (two, one)}
    assert [r.file for r in records(stock_spark(journal=written))] == ["0002-b.json", "0010-a.json"]


def broken(**changes: Any) -> dict[str, Any]:
    record = Record("0001-docker-group.json", "desk", RESOURCES[0], None, {})
    return {**written_record(record, "spark-a"), **changes}


@pytest.mark.parametrize(
    "record",
    [
        broken(version=2),
        broken(version=None),
        broken(resource="Unheard"),
        broken(fields={"node": "spark-a"}),
        broken(fields={"node": "spark-a", "user": "n", "more": 1}),
        broken(fields=None),
        {},
    ],
    ids=[
        "newer",
        "no version",
        "class",
        "field missing",
        "field too many",
        "no fields",
        "empty",
    ],
)
def test_a_record_of_another_kind_says_nothing_of_the_others(record: Any) -> None:
    good = Record("0002-docker-group.json", "desk", RESOURCES[0], None, {})
    written = {"0001-x.json": record, good.file: written_record(good, "spark-a")}
    facts = stock_spark(journal=written)
    assert records(facts) == [good]
    assert list(unreadable(facts)) == ["0001-x.json"]
    assert all(unreadable(facts).values())


def test_the_number_of_an_unreadable_record_is_not_given_again() -> None:
    world = {"spark-a": stock_spark(journal={"0007-x.json": Unreadable("it is empty")})}
    new = record_for([], "desk", RESOURCES[0], change_of(RESOURCES[0], None, {"x": 1}), world)
    assert new.file == "0008-docker-group.json"


@pytest.mark.parametrize("resource", RESOURCES, ids=lambda resource: resource.name)
def test_the_script_that_writes_it_holds_no_password_and_the_folder_is_private(
    resource: Resource,
) -> None:
    connection = FakeConnection(lambda script: "")
    node = Node("spark-a", connection, sudo_password="s3cret")
    record = record_for([], "desk", resource, change_of(resource, None, {"x": 1}), WORLD)
    journal.write(node, "/var/lib/sparkctl", record)
    assert "s3cret" not in json.dumps(written_record(record, "spark-a"))
    (script,) = connection.scripts
    assert "s3cret" not in script
    assert "mkdir -p -m 700 /var/lib/sparkctl/journal" in script
    assert "chmod 600" in script
    assert script.index("sync") < script.index("mv -f")
