"""Clusters that are not two machines with a sudo password: one Spark, free sudo, this computer."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import yaml

from orchestrator.lab import LabSpec
from orchestrator.node.local import LocalConnection
from orchestrator.node.node import Node
from tests.lab.machine import Machine, snapshot
from tests.lab.sparkctl import Sparkctl

RaiseLab = Callable[[LabSpec], AbstractContextManager[dict[str, Machine]]]


def test_a_single_spark_without_a_cable_trains_and_is_given_back(
    raise_lab: RaiseLab, session_name: str, suite: str, tmp_path: Path
) -> None:
    spec = LabSpec(f"{session_name}-one", nodes=1, suite=suite, out=tmp_path / "cluster.yaml")
    with raise_lab(spec) as machines:
        machine = machines["spark-a"]
        machine.run("ip", "link", "set", "enp1s0f1np1", "down")
        spec.out.write_text(spec.out.read_text().replace("fabric:", "#fabric:"))
        sparkctl = Sparkctl(spec.out)
        sparkctl("cluster", "plan")
        before = snapshot(machine)

        sparkctl("cluster", "up", "--yes")
        assert machine.run("docker", "info", "--format", "{{.Swarm.NodeAddr}}") == "127.0.0.1\n"
        said = sparkctl("train", "tiny-llama-lora", "--set", "training.loop.max_steps=30").stdout
        assert "world size 1" in said
        assert "succeeded" in said

        sparkctl("cluster", "down", "--yes", "--delete-runs")
        assert snapshot(machine) == before


def test_free_sudo_needs_no_password(
    sparkctl: Sparkctl,
    machines: dict[str, Machine],
    later: Callable[[Callable[[], object]], None],
    tmp_path: Path,
) -> None:
    for machine in machines.values():
        machine.put("/etc/sudoers.d/free", b"nvidia ALL=(ALL) NOPASSWD: ALL\n", mode="440")
        later(lambda m=machine: m.put("/etc/sudoers.d/free", None))
    data = yaml.safe_load(sparkctl.file.read_text())
    del data["sudo"]
    base = sparkctl.file.parent
    for node in data["nodes"]:
        node["ssh"]["key"] = str(base / node["ssh"]["key"])
    data["ssh"]["known_hosts"] = str(base / data["ssh"]["known_hosts"])
    file = tmp_path / "cluster.yaml"
    file.write_text(yaml.safe_dump(data))

    assert "16 changes" in sparkctl("cluster", "plan", file=file).stdout


def test_this_computers_docker_is_spoken_to_without_ssh(machines: dict[str, Machine]) -> None:
    """The outer engine, read only, over a local dial-stdio."""
    node = Node("here", LocalConnection())
    try:
        ids = {container.id for container in node.docker.containers.list()}
        assert {machine.container.id for machine in machines.values()} <= ids
        assert "Version" in node.docker_cli("version")
    finally:
        node.close()
