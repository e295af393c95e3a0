"""A node of the lab is like a new DGX Spark, as far as a computer without a GPU can show."""

import socket

import paramiko
import pytest

from orchestrator.lab import LabSpec
from orchestrator.lab.ready import wait_ready
from orchestrator.spec.load import load_cluster
from tests.lab.machine import Machine

FABRIC = "enp1s0f1np1"
REQUIREMENTS = "/tmp/requirements.txt"


def image_of(machine: Machine) -> str:
    images = machine.run("docker", "images", "--format", "{{.Repository}}:{{.Tag}}").split()
    return next(image for image in images if "/train-base:" in image)


def fabric_address(machine: Machine) -> str:
    fields = machine.run("ip", "-o", "-4", "addr", "show", "dev", FABRIC).split()
    return fields[3].partition("/")[0]


def test_a_node_is_as_a_new_spark(machines: dict[str, Machine]) -> None:
    for name, machine in machines.items():
        assert machine.run("systemctl", "is-system-running").strip() == "running"
        assert machine.run("hostname").strip() == name
        assert machine.run("id", "-u", "nvidia").strip() == "1000"
        groups = machine.run("id", "-nG", "nvidia").split()
        assert "sudo" in groups
        assert "docker" not in groups
        config = machine.read("/etc/nvidia-container-runtime/config.toml").decode()
        assert '#swarm-resource = "DOCKER_RESOURCE_GPU"' in config.splitlines()
        assert machine.attempt("test", "-e", "/etc/docker/daemon.json")[0] != 0
        assert b'DGX_NAME="DGX Spark"' in machine.read("/etc/dgx-release")


def test_sudo_wants_the_password(machines: dict[str, Machine], password: str) -> None:
    machine = machines["spark-a"]
    as_nvidia = ["setpriv", "--reuid=nvidia", "--regid=nvidia", "--init-groups", "sh", "-c"]
    assert machine.attempt(*as_nvidia, "sudo -kn true")[0] != 0
    answered = machine.run(*as_nvidia, f"echo '{password}' | sudo -kS -p '' id -u")
    assert answered.strip() == "0"
    wrong, _ = machine.attempt(*as_nvidia, "echo wrong | sudo -kS -p '' id -u")
    assert wrong != 0


def test_ssh_works_with_what_the_cluster_file_names(
    lab: LabSpec, machines: dict[str, Machine]
) -> None:
    spec = load_cluster(lab.out)
    assert [node.name for node in spec.nodes] == list(machines)
    for node in spec.nodes:
        with paramiko.SSHClient() as client:
            client.load_host_keys(str(spec.ssh.known_hosts))
            target = node.target
            client.connect(
                target.host, target.port or 22, target.user, key_filename=target.key,
                allow_agent=False, look_for_keys=False,
            )  # fmt: skip
            _, stdout, _ = client.exec_command("hostname; id -un")
            assert stdout.read().split() == [node.name.encode(), b"nvidia"]
            stdout.channel.close()


def test_a_stranger_stays_outside(lab: LabSpec, machines: dict[str, Machine]) -> None:
    target = load_cluster(lab.out).nodes[0].target
    with socket.create_connection((target.host, target.port or 22), timeout=10) as connection:
        transport = paramiko.Transport(connection)
        try:
            transport.start_client(timeout=10)
            stranger = paramiko.RSAKey.generate(2048)
            with pytest.raises(paramiko.AuthenticationException):
                transport.auth_publickey("nvidia", stranger)
        finally:
            transport.close()


def test_nvidia_smi_speaks_like_a_gb10_and_every_node_has_its_own_gpu(
    machines: dict[str, Machine],
) -> None:
    query = ("nvidia-smi", "--query-gpu=uuid,name,driver_version", "--format=csv,noheader")
    lines = [machine.run(*query).strip() for machine in machines.values()]
    uuids = {line.split(", ")[0] for line in lines}
    assert len(uuids) == len(machines)
    assert all(uuid.startswith("GPU-") for uuid in uuids)
    assert {tuple(line.split(", ")[1:]) for line in lines} == {("NVIDIA GB10", "580.142")}
    machine = machines["spark-a"]
    assert lines[0].split(", ")[0] in machine.run("nvidia-smi", "-L")
    memory = machine.run("nvidia-smi", "--query-gpu=memory.used,memory.total", "--format=csv")
    assert memory.splitlines() == ["memory.used, memory.total", "[N/A], [N/A]"]
    gauges = "--query-gpu=utilization.gpu,power.draw,temperature.gpu"
    idle = machine.run("nvidia-smi", gauges, "--format=csv,noheader,nounits")
    assert idle.strip() == "0, 4.50, 42"
    assert "Not Supported" in machine.run("nvidia-smi")
    assert machine.attempt("nvidia-smi", "--query-gpu=nonsense")[0] == 2


def test_the_fabric_joins_the_nodes_both_ways(machines: dict[str, Machine]) -> None:
    a, b = machines["spark-a"], machines["spark-b"]
    for here, there in ((a, b), (b, a)):
        here.run("ping", "-c", "1", "-W", "5", "-I", FABRIC, fabric_address(there))


def test_a_look_up_is_refused_at_once(machines: dict[str, Machine]) -> None:
    code, output = machines["spark-a"].attempt("timeout", "5", "docker", "pull", "debian:none")
    assert code == 1
    assert "connection refused" in output


def test_the_training_image_is_there_and_needs_nothing_more(
    machines: dict[str, Machine], pytestconfig: pytest.Config
) -> None:
    requirements = pytestconfig.rootpath / "training" / "requirements.txt"
    script = (
        "import importlib.metadata as m, torch, transformers, peft, trl, datasets;"
        "print(torch.ones(2).sum().item(), m.version('transformers'))"
    )
    in_image = [
        "docker", "run", "--rm", "--network=none", "--user=1000", "--env=HOME=/nonexistent",
        f"--volume={REQUIREMENTS}:{REQUIREMENTS}:ro",
    ]  # fmt: skip
    for machine in machines.values():
        machine.put(REQUIREMENTS, requirements.read_bytes())
        image = image_of(machine)
        pip = ("-m", "pip", "install", "--no-cache-dir", "-r", REQUIREMENTS)
        assert "Collecting" not in machine.run(*in_image, image, "python3", *pip)
        machine.run("rm", REQUIREMENTS)
    machine.put(REQUIREMENTS, b"")
    # The last line: some processors make bitsandbytes speak before it.
    said = machine.run(*in_image, image, "python3", "-c", script)
    assert said.splitlines()[-1].startswith("2.0 5.")
    launch = ("-m", "accelerate.commands.launch", "--help")
    assert "usage" in machine.run(*in_image, image, "python3", *launch)
    machine.run("rm", REQUIREMENTS)


def test_a_restarted_engine_still_has_the_image(machines: dict[str, Machine]) -> None:
    machine = machines["spark-a"]
    image = image_of(machine)
    machine.run("systemctl", "restart", "docker")
    machine.run("docker", "run", "--rm", "--network=none", image, "python3", "-c", "import torch")


def test_a_node_survives_a_reboot(machines: dict[str, Machine]) -> None:
    machine = machines["spark-b"]
    before = fabric_address(machine), machine.run("docker", "info", "--format", "{{.ID}}")
    machine.container.restart()
    wait_ready(machine.container, machine.name)
    assert (fabric_address(machine), machine.run("docker", "info", "--format", "{{.ID}}")) == before
    machine.run("ping", "-c", "1", "-W", "5", fabric_address(machines["spark-a"]))
    assert "nameserver 127.0.0.1" in machine.read("/etc/resolv.conf").decode()
    machine.run("docker", "run", "--rm", "--network=none", image_of(machine), "true")
