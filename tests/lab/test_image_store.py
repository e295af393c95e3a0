"""The image store of a new Docker 29: containerd's. Images are named by other IDs there."""

import json
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import yaml

from orchestrator.lab import LabSpec
from orchestrator.names import DAEMON_JSON, IMAGE
from tests.lab.machine import Machine, snapshot
from tests.lab.sparkctl import Sparkctl

FILES = (
    "/var/lib/docker/of-this-test"  # on the node's volume: a container's layer carries no overlay
)

MOVE = f"""
docker image save -o {FILES}.tar "$1"
systemctl stop docker.socket docker containerd
mv /var/lib/containerd {FILES} && ln -s {FILES} /var/lib/containerd
systemctl start containerd docker
docker image load -i {FILES}.tar && rm {FILES}.tar
"""


def test_a_run_with_containerd_s_image_store(
    raise_lab: Callable[[LabSpec], AbstractContextManager[dict[str, Machine]]],
    session_name: str,
    suite: str,
    tmp_path: Path,
) -> None:
    spec = LabSpec(f"{session_name}-store", nodes=1, suite=suite, out=tmp_path / "cluster.yaml")
    with raise_lab(spec) as machines:
        machine, sparkctl = machines["spark-a"], Sparkctl(spec.out)
        machine.run("mkdir", "-p", "/etc/docker")
        feature = {"features": {"containerd-snapshotter": True}}
        machine.put(DAEMON_JSON, json.dumps(feature).encode())
        image = yaml.safe_load(spec.out.read_text())["container"]["base_image"]
        machine.run("sh", "-ec", MOVE, "sh", image)
        store = machine.run("docker", "info", "--format", "{{.DriverStatus}}")
        assert "io.containerd.snapshotter" in store
        sparkctl("cluster", "plan")  # the first use of sudo leaves marks of its own
        before = snapshot(machine)

        sparkctl("cluster", "up", "--yes")
        trained = sparkctl("train", "tiny-llama-lora", "--set", "training.loop.max_steps=5")
        assert "succeeded" in trained.stdout
        assert IMAGE in machine.run("docker", "image", "ls")
        assert "io.containerd.snapshotter" in machine.run("docker", "info")

        sparkctl("cluster", "down", "--yes", "--delete-runs")
        assert snapshot(machine) == before
