"""What a command costs: one connection and one exec per node, however many resources there are."""

from pathlib import Path

import pytest

from orchestrator.doctor.before_change import check
from orchestrator.errors import (
    ConnectError,
    NodeErrors,
    PasswordNeededError,
    SpecError,
    SudoError,
)
from orchestrator.node.connect import connect_all, connect_available
from orchestrator.reconcile.observe import observe, try_observe
from orchestrator.reconcile.plan import plan_up
from tests.support.clusters import cluster as cluster_of
from tests.support.clusters import sparks, world_of
from tests.support.fakes import ROOT_NEEDS, FakeCluster
from tests.support.simulate import made


@pytest.mark.parametrize("count", [1, 2, 16])
def test_an_up_with_nothing_to_do_costs_one_connection_and_one_exec_per_node(count: int) -> None:
    spec = sparks(count)
    bare = world_of(spec)
    cluster = FakeCluster(made(plan_up(spec, bare), spec, bare))
    with connect_all(spec, cluster.connect) as nodes:
        world = observe(spec, nodes)
        check(spec, world)
        assert plan_up(spec, world).steps == ()
    assert sorted(cluster.connected) == [node.name for node in spec.nodes]
    for machine in cluster.machines.values():
        assert len(machine.scripts) == 1
        assert machine.opened == []
        assert machine.closed


def test_the_order_is_that_of_the_file() -> None:
    spec = sparks(16)
    with connect_all(spec, FakeCluster(world_of(spec)).connect) as nodes:
        assert list(nodes) == [node.name for node in spec.nodes]
        assert list(observe(spec, nodes)) == [node.name for node in spec.nodes]


class Person:
    """Somebody at the keyboard, who counts how often they are asked."""

    def __init__(self, answer: str | None) -> None:
        self.answer, self.asked = answer, 0

    def __call__(self) -> str | None:
        self.asked += 1
        return self.answer


def three(*wanting: str) -> FakeCluster:
    cluster = FakeCluster(world_of(sparks(3)))
    for name in wanting:
        cluster.machines[name].wants_password = True
    return cluster


def execs(cluster: FakeCluster) -> list[int]:
    return [len(machine.scripts) for machine in cluster.machines.values()]


def test_the_password_is_asked_for_once_for_all_nodes() -> None:
    cluster, person = three("spark-a", "spark-b", "spark-c"), Person(ROOT_NEEDS)
    with connect_all(sparks(3), cluster.connect) as nodes:
        world = observe(sparks(3), nodes, ask=person)
    assert person.asked == 1
    assert execs(cluster) == [2, 2, 2]
    assert list(world) == ["spark-a", "spark-b", "spark-c"]


def test_only_the_nodes_that_wanted_it_are_read_again() -> None:
    cluster, person = three("spark-b"), Person(ROOT_NEEDS)
    with connect_all(sparks(3), cluster.connect) as nodes:
        observe(sparks(3), nodes, ask=person)
        given = [node.sudo_password for node in nodes.values()]
    assert person.asked == 1
    assert execs(cluster) == [1, 2, 1]
    assert given == [None, ROOT_NEEDS, None]


def test_nobody_to_ask_is_an_error_of_every_node_that_wanted_it() -> None:
    cluster = three("spark-a", "spark-c")
    with connect_all(sparks(3), cluster.connect) as nodes, pytest.raises(NodeErrors) as caught:
        observe(sparks(3), nodes, ask=Person(None))
    assert [type(e) for e in caught.value.errors] == [PasswordNeededError] * 2
    assert [e.node for e in caught.value.errors] == ["spark-a", "spark-c"]
    assert caught.value.exit_code == 5
    assert execs(cluster) == [1, 1, 1]


def test_nobody_is_asked_where_no_password_is_wanted() -> None:
    person = Person(ROOT_NEEDS)
    with connect_all(sparks(3), three().connect) as nodes:
        observe(sparks(3), nodes, ask=person)
    assert person.asked == 0


def test_a_wrong_answer_is_tried_once_on_every_node_and_not_asked_again() -> None:
    cluster, person = three("spark-a", "spark-b", "spark-c"), Person("wrong")
    with connect_all(sparks(3), cluster.connect) as nodes, pytest.raises(NodeErrors) as caught:
        observe(sparks(3), nodes, ask=person)
    assert person.asked == 1
    assert [e.code for e in caught.value.errors] == [SudoError.code] * 3
    assert execs(cluster) == [2, 2, 2]


def test_a_password_from_the_environment_is_used_without_asking(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SPARKCTL_SUDO_PASSWORD", ROOT_NEEDS)
    cluster, person = three("spark-a", "spark-b", "spark-c"), Person(None)
    with connect_all(sparks(3), cluster.connect) as nodes:
        observe(sparks(3), nodes, ask=person)
    assert person.asked == 0
    assert execs(cluster) == [2, 2, 2]


def test_a_known_password_goes_only_to_the_machine_that_wants_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A machine that somebody else rules would learn the password of all others."""
    monkeypatch.setenv("SPARKCTL_SUDO_PASSWORD", ROOT_NEEDS)
    cluster = three("spark-b")
    with connect_all(sparks(3), cluster.connect) as nodes:
        observe(sparks(3), nodes)
        for node in nodes.values():
            node.script("true")
    sent = {name: machine.passwords for name, machine in cluster.machines.items()}
    assert sent == {
        "spark-a": ["", ""],
        "spark-b": ["", ROOT_NEEDS, ROOT_NEEDS],
        "spark-c": ["", ""],
    }


def test_a_node_may_have_a_password_of_its_own(tmp_path: Path) -> None:
    for name in ("all", "own"):
        (tmp_path / name).write_text(f"{name}\nsecond line\n")
        (tmp_path / name).chmod(0o600)
    spec = cluster_of(
        {
            "nodes": ["spark-a", {"name": "spark-b", "sudo": {"password_file": f"{tmp_path}/own"}}],
            "sudo": {"password_file": f"{tmp_path}/all"},
        }
    )
    machines = FakeCluster(world_of(spec))
    for machine in machines.machines.values():
        machine.wants_password = True
    with connect_all(spec, machines.connect) as nodes, pytest.raises(NodeErrors):
        observe(spec, nodes)
    assert machines.machines["spark-a"].passwords == ["", "all"]
    assert machines.machines["spark-b"].passwords == ["", "own"]


@pytest.mark.parametrize("mode", [0o666, 0o644, 0o640, 0o602])
def test_a_password_file_that_others_may_read_is_refused(tmp_path: Path, mode: int) -> None:
    file = tmp_path / "password"
    file.write_text("s3cret\n")
    file.chmod(mode)
    spec = cluster_of({"sudo": {"password_file": str(file)}})
    with (
        pytest.raises(SpecError, match="others may read") as caught,
        connect_all(spec, three().connect),
    ):
        raise AssertionError("it was taken")
    assert f"chmod 600 {file}" in str(caught.value.resolution)


def test_the_error_of_another_node_is_kept_while_a_password_is_asked_for() -> None:
    cluster, person = three("spark-a"), Person(ROOT_NEEDS)
    cluster.machines["spark-b"].answer = lambda script: "garbage"
    with connect_all(sparks(3), cluster.connect) as nodes:
        world, errors = try_observe(sparks(3), nodes, ask=person)
    assert person.asked == 1
    assert list(world) == ["spark-a", "spark-c"]
    assert [(name, error.code) for name, error in errors.items()] == [("spark-b", "E310")]
    assert execs(cluster) == [2, 1, 1]


def test_when_one_node_cannot_be_reached_the_others_are_closed_again() -> None:
    cluster = three()
    cluster.refused = {"spark-b": ConnectError("spark-b is off", node="spark-b")}
    with (
        pytest.raises(ConnectError, match="spark-b is off"),
        connect_all(sparks(3), cluster.connect),
    ):
        raise AssertionError("not all are there")
    assert cluster.machines["spark-a"].closed
    assert cluster.machines["spark-c"].closed


def test_every_unreachable_node_is_told() -> None:
    refused = {name: ConnectError(f"{name} is off", node=name) for name in ("spark-a", "spark-c")}
    cluster = FakeCluster(world_of(sparks(3)), refused)
    with pytest.raises(NodeErrors) as caught, connect_all(sparks(3), cluster.connect):
        raise AssertionError("not all are there")
    assert [e.node for e in caught.value.errors] == ["spark-a", "spark-c"]
    assert caught.value.exit_code == 4


def test_what_can_be_reached_is_handed_over_beside_the_errors() -> None:
    cluster = three()
    cluster.refused = {"spark-b": ConnectError("spark-b is off", node="spark-b")}
    with connect_available(sparks(3), cluster.connect) as (nodes, errors):
        assert list(nodes) == ["spark-a", "spark-c"]
        assert list(errors) == ["spark-b"]
    assert cluster.machines["spark-a"].closed
