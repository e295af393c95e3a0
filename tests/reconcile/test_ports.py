"""Which ports are asked before a machine joins, and what becomes of the answers; no network."""

import pytest

from orchestrator.errors import PreflightError
from orchestrator.node.connect import connect_all
from orchestrator.node.connection import Completed
from orchestrator.reconcile.plan import Plan, plan_up
from orchestrator.reconcile.ports import doors, with_ports_asked
from orchestrator.resources.base import World
from orchestrator.spec.cluster import ClusterSpec
from tests.support.clusters import sparks, world_of
from tests.support.fakes import ASKS, FakeCluster
from tests.support.simulate import made

SPEC = sparks(2)


def asked(plan: Plan, world: World) -> dict[str, list[str]]:
    return {name: [str(door) for door in found] for name, found in doors(plan, world).items()}


def test_both_ways_and_udp_where_nobody_listens_yet() -> None:
    world = world_of(SPEC)
    assert asked(plan_up(SPEC, world), world) == {
        "spark-b": ["tcp 192.168.100.1 2377", "tcp 192.168.100.1 7946", "udp 192.168.100.1 7946"],
        "spark-a": ["tcp 192.168.100.2 7946", "udp 192.168.100.2 7946"],
    }


def test_a_manager_that_is_in_its_swarm_listens_to_udp_and_is_silent() -> None:
    one, three = sparks(2), sparks(3)
    bare = world_of(three)
    world = {**made(plan_up(one, bare), one, bare)}
    world = {name: world.get(name, bare[name]) for name in bare}
    found = asked(plan_up(three, world), world)
    assert set(found) == {"spark-a", "spark-c"}
    assert found["spark-c"] == ["tcp 192.168.100.1 2377", "tcp 192.168.100.1 7946"]


def test_who_joins_nothing_is_asked_nothing() -> None:
    world = world_of(SPEC)
    up = made(plan_up(SPEC, world), SPEC, world)
    cluster = FakeCluster(up)
    with connect_all(SPEC, cluster.connect) as nodes:
        with_ports_asked(plan_up(SPEC, up), up, nodes)
    assert [machine.scripts for machine in cluster.machines.values()] == [[], []]


def answered(spec: ClusterSpec, says: bytes) -> Plan:
    world = world_of(spec)
    cluster = FakeCluster(world)
    cluster.machines["spark-b"].failing = {ASKS: Completed(0, says, b"")}
    with connect_all(spec, cluster.connect) as nodes:
        return with_ports_asked(plan_up(spec, world), world, nodes)


def test_a_tcp_port_that_is_blocked_is_an_error_with_all_that_is_shut() -> None:
    with pytest.raises(PreflightError, match="spark-b gets no answer") as caught:
        answered(SPEC, b"tcp 192.168.100.1 2377\nudp 192.168.100.1 7946\n")
    assert caught.value.details == "tcp 192.168.100.1:2377\nudp 192.168.100.1:7946"
    assert caught.value.node == "spark-b"


def test_silence_of_udp_alone_is_advice() -> None:
    plan = answered(SPEC, b"udp 192.168.100.1 7946\nudp 6.6.6.6 1\n")
    (line,) = plan.advice
    assert line.startswith("spark-b: no answer from udp 192.168.100.1:7946")
    assert plan.steps
