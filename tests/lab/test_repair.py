"""Swarms on machines with a history: recognised, explained, repaired by --repair, not forced."""

from collections.abc import Callable, Iterator

import pytest

from tests.lab.machine import Machine, snapshot
from tests.lab.sparkctl import Sparkctl

STATE = "/var/lib/docker/swarm/docker-state.json"


@pytest.fixture
def before(sparkctl: Sparkctl, machines: dict[str, Machine]) -> Iterator[dict[str, str]]:
    """The machines as they were; the cluster is up inside, and they are as they were after it."""
    sparkctl("cluster", "plan")
    found = {name: snapshot(machine) for name, machine in machines.items()}
    try:
        sparkctl("cluster", "up", "--yes")
        yield found
    finally:
        sparkctl("cluster", "down", "--yes")
    assert {name: snapshot(machine) for name, machine in machines.items()} == found


def _swarm(machine: Machine) -> str:
    return machine.run("docker", "info", "--format", "{{.Swarm.LocalNodeState}}").strip()


def _converged(sparkctl: Sparkctl) -> None:
    assert "no changes" in sparkctl("cluster", "status", "--check").stdout


def test_a_swarm_that_is_gone_and_a_worker_that_is_still_in_it(
    sparkctl: Sparkctl, machines: dict[str, Machine], before: dict[str, str]
) -> None:
    machines["spark-a"].run("docker", "swarm", "leave", "--force")
    machines["spark-b"].run("systemctl", "restart", "docker")
    assert _swarm(machines["spark-b"]) in ("pending", "active")

    refused = sparkctl("cluster", "up", "--yes", expect=6).stderr
    assert "E400" in refused
    assert "--repair" in refused
    assert "leave the swarm" in sparkctl("cluster", "plan", "--repair").stdout
    ids = [
        c["id"] for c in sparkctl("cluster", "up", "--yes", "--repair", "--json").json()["changes"]
    ]
    assert ids == ["spark-b/membership", "spark-a/swarm", "spark-b/swarm"]
    _converged(sparkctl)


@pytest.mark.parametrize("way", ["up", "down"])
def test_docker_does_not_start_because_of_its_swarm(
    sparkctl: Sparkctl, machines: dict[str, Machine], before: dict[str, str], way: str
) -> None:
    """A power cut while dockerd wrote its state: the same as an address that has vanished."""
    machine = machines["spark-b"]
    machine.run("systemctl", "stop", "docker.socket", "docker")
    machine.put(STATE, b'{"LocalAddr":"')
    machine.attempt("systemctl", "start", "docker")

    for command in ("up", "down"):
        refused = sparkctl("cluster", command, "--yes", expect=6).stderr
        assert "no Docker Engine answers on spark-b" in refused
        assert "unexpected" in refused  # of the JSON: dockerd's own words
        assert "--repair" in refused
    changes = sparkctl("cluster", way, "--yes", "--repair", "--json").json()["changes"]
    assert changes[0]["id"] == "spark-b/engine"
    if way == "up":
        _converged(sparkctl)


def test_docker_was_only_stopped(
    sparkctl: Sparkctl, machines: dict[str, Machine], before: dict[str, str]
) -> None:
    """Nothing of ours has to be undone for it."""
    machines["spark-b"].run("systemctl", "stop", "docker.socket", "docker")
    changes = sparkctl("cluster", "up", "--yes", "--repair", "--json").json()["changes"]
    assert [change["id"] for change in changes] == ["spark-b/engine"]
    _converged(sparkctl)


def test_the_managers_address_has_changed(
    sparkctl: Sparkctl,
    machines: dict[str, Machine],
    before: dict[str, str],
    later: Callable[[Callable[[], object]], None],
) -> None:
    machine = machines["spark-a"]
    interface = "enp1s0f1np1"
    address = machine.run("docker", "info", "--format", "{{.Swarm.NodeAddr}}").strip()
    moved = address.rpartition(".")[0] + ".77"
    later(lambda: machine.attempt("ip", "addr", "add", f"{address}/24", "dev", interface))
    later(lambda: machine.attempt("ip", "addr", "del", f"{moved}/24", "dev", interface))
    machine.run("ip", "addr", "del", f"{address}/24", "dev", interface)
    machine.run("ip", "addr", "add", f"{moved}/24", "dev", interface)

    refused = sparkctl("cluster", "up", "--yes", expect=6).stderr
    assert f"stands on {address}, its fabric address is now {moved}" in refused
    sparkctl("cluster", "up", "--yes", "--repair")
    _converged(sparkctl)
    assert machine.run("docker", "info", "--format", "{{.Swarm.NodeAddr}}").strip() == moved
    sparkctl("cluster", "down", "--yes")


def test_a_swarm_that_somebody_else_has_made_since_is_left_alone(
    sparkctl: Sparkctl,
    machines: dict[str, Machine],
    later: Callable[[Callable[[], object]], None],
) -> None:
    """Also on a machine whose journal says that there was one of ours."""
    machine = machines["spark-b"]
    later(lambda: sparkctl("cluster", "down", "--yes"))
    sparkctl("cluster", "up", "--yes")
    machine.run("docker", "swarm", "leave", "--force")
    machine.run("docker", "swarm", "init", "--advertise-addr", "127.0.0.1")
    later(lambda: machine.attempt("docker", "network", "rm", "docker_gwbridge"))
    later(lambda: machine.attempt("docker", "swarm", "leave", "--force"))

    for flags in ((), ("--repair",)):
        refused = sparkctl("cluster", "up", "--yes", *flags, expect=6).stderr
        assert "a swarm that sparkctl did not make" in refused
    kept = sparkctl("cluster", "down", "--yes", "--json").json()["kept"]
    assert kept == ["spark-b: it is in a swarm that sparkctl did not make, and stays there"]
    assert _swarm(machine) == "active"


def test_a_worker_that_somebody_took_out_right_after_up_is_given_back(
    sparkctl: Sparkctl, machines: dict[str, Machine]
) -> None:
    """Its bridge goes, though Docker may have left an endpoint of its own on it."""
    sparkctl("cluster", "plan")
    before = {name: snapshot(machine) for name, machine in machines.items()}
    sparkctl("cluster", "up", "--yes")
    machines["spark-b"].run("docker", "swarm", "leave", "--force")
    sparkctl("cluster", "down", "--yes")
    assert {name: snapshot(machine) for name, machine in machines.items()} == before
