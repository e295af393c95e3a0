"""The lab comes, is repaired, and goes without a trace; it never touches what is not its own."""

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
from click.testing import CliRunner
from docker import DockerClient

from orchestrator.cli.lab import lab as command
from orchestrator.errors import LabError
from orchestrator.lab import LabSpec, down, engine, labels, names, node, status, up
from orchestrator.lab.labels import of_lab
from tests.lab.machine import Machine


@pytest.fixture
def spec(session_name: str, tmp_path: Path) -> Iterator[LabSpec]:
    """A lab of its own, without the training image."""
    one = LabSpec(f"{session_name}-life", out=tmp_path / "cluster.yaml", train_image=False)
    yield one
    down(one.name)


@pytest.fixture
def client() -> Iterator[DockerClient]:
    with engine.connected() as connected:
        yield connected


def left(client: DockerClient, name: str) -> list[object]:
    """All that carries the lab's label."""
    return [
        *client.containers.list(all=True, filters=of_lab(name)),
        *client.volumes.list(filters=of_lab(name)),
        *client.networks.list(filters=of_lab(name)),
    ]


def test_up_mends_and_down_leaves_nothing(client: DockerClient, spec: LabSpec) -> None:
    up(spec)
    first = {c.labels[labels.NODE]: c.id for c in node.all_of(client, spec.name)}
    text = spec.out.read_text()
    assert (spec.state / "sudo-password").stat().st_mode & 0o777 == 0o600
    assert (spec.state / "id_ed25519").stat().st_mode & 0o777 == 0o600

    up(spec)
    assert {c.labels[labels.NODE]: c.id for c in node.all_of(client, spec.name)} == first
    assert spec.out.read_text() == text

    client.containers.get(str(first["spark-b"])).kill()  # as when the outer engine was killed
    assert [n.state for n in status(spec.name)] == ["running", "exited"]
    up(spec)
    repaired = {c.labels[labels.NODE]: c.id for c in node.all_of(client, spec.name)}
    assert repaired["spark-a"] == first["spark-a"]
    assert repaired["spark-b"] != first["spark-b"]
    assert [n.state for n in status(spec.name)] == ["running", "running"]

    with ThreadPoolExecutor() as pool:  # as two that sweep what a third has left
        assert 2 in pool.map(down, [spec.name] * 3)
    assert left(client, spec.name) == []
    assert spec.name not in names()
    assert list(spec.out.parent.iterdir()) == []


def test_a_running_lab_is_not_made_another_behind_your_back(spec: LabSpec, tmp_path: Path) -> None:
    up(LabSpec(spec.name, nodes=1, out=spec.out, train_image=False))
    for other in (
        LabSpec(spec.name, nodes=1, suite="bookworm", out=spec.out, train_image=False),
        LabSpec(spec.name, nodes=1, out=tmp_path / "other.yaml", train_image=False),
    ):
        with pytest.raises(LabError) as refused:
            up(other)
        assert f"sparkctl lab down --name {spec.name}" in str(refused.value.resolution)


def test_a_file_of_somebody_else_stays(spec: LabSpec) -> None:
    spec.out.write_text("apiVersion: sparkctl/v1\n")
    with pytest.raises(LabError, match="was not written by the lab"):
        up(spec)
    down(spec.name, out=spec.out)
    assert spec.out.read_text() == "apiVersion: sparkctl/v1\n"


@pytest.mark.parametrize("name", ["Lab", "-lab", "shared", "a" * 41, "../lab"])
def test_a_name_that_cannot_be(name: str, tmp_path: Path) -> None:
    with pytest.raises(LabError):
        up(LabSpec(name, out=tmp_path / "cluster.yaml"))
    with pytest.raises(LabError):
        down(name, out=tmp_path / "cluster.yaml")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("suite", "says"),
    [("buster", "no engine 'buster'"), ("trixie,bookworm,trixie", "more engines than the lab has")],
)
def test_an_engine_that_cannot_be(spec: LabSpec, suite: str, says: str) -> None:
    with pytest.raises(LabError, match=says):
        up(LabSpec(spec.name, suite=suite, out=spec.out, train_image=False))
    assert spec.name not in names()


def test_the_last_engine_is_for_all_nodes_that_follow() -> None:
    assert LabSpec(nodes=3, suite="trixie,bookworm").suites == ["trixie", "bookworm", "bookworm"]


def test_the_old_engine(
    raise_lab: Callable[[LabSpec], AbstractContextManager[dict[str, Machine]]],
    session_name: str,
    tmp_path: Path,
) -> None:
    """One bookworm node, and its stand-in runtime: only the GPU that is there, only when asked."""
    out = tmp_path / "cluster.yaml"
    spec = LabSpec(f"{session_name}-old", nodes=1, suite="bookworm", out=out)
    with raise_lab(spec) as machines:
        machine = machines["spark-a"]
        (record,) = status(spec.name)
        assert record.state == "running"
        assert str(record.engine).startswith("20.10.")
        config = {"runtimes": {"nvidia": {"path": "/usr/bin/nvidia-container-runtime"}}}
        machine.put("/etc/docker/daemon.json", json.dumps(config).encode())
        toml = "/etc/nvidia-container-runtime/config.toml"
        wanted = 's/^#swarm-resource = .*/swarm-resource = "DOCKER_RESOURCE_NVIDIA_GPU"/'
        machine.run("sed", "-i", wanted, toml)
        machine.run("systemctl", "restart", "docker")
        (image,) = machine.run("docker", "images", "-q").split()
        uuid = machine.read("/etc/sparkctl-lab/gpu-uuid").decode().strip()
        run = ["docker", "run", "--rm", "--network=none", "--runtime=nvidia"]

        def with_gpu(value: str) -> tuple[int, str]:
            gpu = f"--env=DOCKER_RESOURCE_NVIDIA_GPU={value}"
            return machine.attempt(*run, gpu, image, "nvidia-smi", "-L")

        assert with_gpu(uuid) == (0, f"GPU 0: NVIDIA GB10 (UUID: {uuid})\n")
        code, output = with_gpu("GPU-of-another-machine")
        assert code != 0
        assert "unknown device" in output
        assert machine.attempt(*run, image, "sh", "-c", "command -v nvidia-smi")[0] != 0
        script = "import torch; print(torch.ones(2).sum().item())"
        assert machine.run(*run, image, "python3", "-c", script) == "2.0\n"


def test_the_command_line(session_name: str, tmp_path: Path) -> None:
    name, out = f"{session_name}-cli", tmp_path / "cluster.yaml"
    place = ["--name", name, "--out", str(out)]
    runner = CliRunner()
    try:
        started = runner.invoke(command, ["up", "--nodes", "1", "--no-train-image", *place])
        assert started.exit_code == 0, started.output
        assert "cluster.yaml is written" in started.output
        shown = json.loads(runner.invoke(command, ["status", "--json", "--name", name]).stdout)
        assert [(n["node"], n["state"]) for n in shown] == [("spark-a", "running")]
        assert "spark-a" in runner.invoke(command, ["status"]).stdout
    finally:
        gone = runner.invoke(command, ["down", *place])
    assert gone.stdout == f"lab {name}: 1 node removed\n"
    assert not out.exists()
