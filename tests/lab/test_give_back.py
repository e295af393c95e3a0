"""`cluster up` and `cluster down` on real machines: converged after one, equal after the other."""

import json
from collections.abc import Callable

import pytest

from tests.lab.machine import Machine, snapshot
from tests.lab.sparkctl import Sparkctl

# What people really have in that file: keys of their own, odd indentation, no newline at the end.
FOREIGN = (
    b'{\n   "log-driver":"json-file", "log-opts": {"max-size": "10m"},\n\t"dns": [ "127.0.0.1" ]}'
)

CACHE = "/home/nvidia/sparkctl/cache"
FILES = ("/etc/docker/daemon.json", "/etc/nvidia-container-runtime/config.toml")


@pytest.mark.parametrize(
    ("content", "mode", "owner"),
    [(None, "644", "root:root"), (FOREIGN, "640", "root:docker")],
    ids=["no daemon.json", "foreign keys; links and a capital on spark-b"],
)
def test_down_gives_back_what_up_found(
    machines: dict[str, Machine],
    sparkctl: Sparkctl,
    later: Callable[[Callable[[], None]], None],
    content: bytes | None,
    mode: str,
    owner: str,
) -> None:
    for machine in machines.values():
        machine.run("mkdir", "-p", "/etc/docker")
        later(lambda m=machine: m.put("/etc/docker/daemon.json", None))
        later(lambda m=machine: m.run("mkdir", "-p", "/etc/docker"))
        machine.put("/etc/docker/daemon.json", content, mode=mode, owner=owner)
    other = machines["spark-b"]
    if content is None:
        other.run("rmdir", "/etc/docker")  # nor is there a folder
    else:
        later(lambda: other.run("rm", "-rf", "/srv/their config"))  # last, when they are back
        later(lambda: other.run("hostname", "spark-b"))
        other.run("hostname", "Spark-B")  # as people call it; sudo cannot resolve it, and says so
        for file in FILES:
            moved = f"/srv/their config/{file.rpartition('/')[2]}"
            later(lambda f=file, m=moved: other.run("sh", "-c", f'[ ! -e "{m}" ] || mv "{m}" {f}'))
            other.run("sh", "-c", f'mkdir -p "/srv/their config"; mv {file} "{moved}"')
            other.run("ln", "-s", moved, file)
    sparkctl("cluster", "plan")  # the very first use of sudo leaves its own mark in the home
    before = {name: snapshot(machine) for name, machine in machines.items()}

    sparkctl("cluster", "up", "--yes")
    assert all(snapshot(machine) != before[name] for name, machine in machines.items())
    if content is not None:
        for machine in machines.values():
            merged = json.loads(machine.run("cat", "/etc/docker/daemon.json"))
            assert merged["log-opts"] == {"max-size": "10m"}
            assert merged["default-runtime"] == "nvidia"
        assert other.run("sh", "-c", "find /srv /etc/docker -type l").strip() == FILES[0]

    again = sparkctl("cluster", "up", "--yes", "--json").json()
    assert again["changes"] == []
    assert "no changes" in sparkctl("cluster", "plan").stdout

    sparkctl("cluster", "down", "--yes")
    assert {name: snapshot(machine) for name, machine in machines.items()} == before
    assert "no changes" in sparkctl("cluster", "down", "--yes").stdout


def test_an_edit_made_after_up_survives_down(
    machines: dict[str, Machine], up: Sparkctl, later: Callable[[Callable[[], None]], None]
) -> None:
    machine = machines["spark-b"]
    path = "/etc/docker/daemon.json"
    later(lambda: machine.put(path, None))
    edited = json.loads(machine.read(path)) | {"max-concurrent-downloads": 2}
    machine.put(path, json.dumps(edited).encode())

    report = up("cluster", "down", "--yes", "--json").json()

    assert json.loads(machine.read(path)) == {"max-concurrent-downloads": 2}
    assert any("daemon.json was edited since" in line for line in report["kept"])


def test_what_is_the_user_s_stays(
    machines: dict[str, Machine], up: Sparkctl, later: Callable[[Callable[[], object]], None]
) -> None:
    """Files beside ours, a disk mounted in our cache, things of their own on our swarm."""
    machine, home, own = machines["spark-a"], "/home/nvidia/sparkctl", f"{CACHE}/sparkctl"
    later(lambda: machine.run("rm", "-rf", home, "/srv/nas"))
    later(lambda: machine.attempt("umount", f"{own}/nas"))
    machine.run("mkdir", "-p", "/srv/nas", f"{own}/nas", f"{own}/tiny")
    for file in ("/srv/nas/theirs", f"{CACHE}/theirs.jsonl", f"{home}/data/theirs.jsonl"):
        machine.put(file, b"theirs")
    machine.run("mount", "--bind", "/srv/nas", f"{own}/nas")  # of the same file system
    nothing = ("--detach", "--no-resolve-image", "--replicas=0")
    machine.run("docker", "service", "create", *nothing, "--name=their-service", "nothing")
    machine.run("sh", "-c", "echo s3cret | docker secret create their-secret -")
    machine.run("sh", "-c", "echo x | docker config create their-config -")
    machine.run("docker", "network", "create", "--driver=overlay", "their-network")

    refused = up("cluster", "down", "--yes", expect=6).stderr
    for kind in ("service", "secret", "config", "network"):
        assert f"spark-a: {kind} their-{kind}: gone for good" in refused
    assert "their-service" in machine.run("docker", "service", "ls")

    journal = "/var/lib/sparkctl/journal"
    other = machines["spark-b"]
    other.run("mv", journal, "/root/journal")
    lost = up("cluster", "down", "--yes", "--end-others", expect=6).stderr
    assert "spark-b is in the swarm of" in lost
    other.run("mv", "/root/journal", journal)

    report = up("cluster", "down", "--yes", "--end-others", "--json").json()
    assert {one["name"] for one in report["others"]} >= {"their-service", "their-network"}
    assert f"spark-a: ~/sparkctl/cache/sparkctl stays: {own}/nas is mounted in it" in report["kept"]
    assert machine.read("/srv/nas/theirs") == b"theirs"
    machine.run("umount", f"{own}/nas")
    up("cluster", "down", "--yes")
    assert machine.attempt("test", "-e", own)[0] == 1
    for file in (f"{CACHE}/theirs.jsonl", f"{home}/data/theirs.jsonl"):
        assert machine.read(file) == b"theirs"
    assert machine.attempt("test", "-e", "/var/lib/sparkctl")[0] == 1


def test_two_nodes_are_one_swarm_on_the_fabric(machines: dict[str, Machine], up: Sparkctl) -> None:
    lines = machines["spark-a"].run(
        "docker", "node", "ls", "--format", "{{.Status}} {{.ManagerStatus}}"
    )
    assert sorted(lines.split("\n")[:2]) == ["Ready ", "Ready Leader"]
    for machine in machines.values():
        address = machine.run("docker", "info", "--format", "{{.Swarm.NodeAddr}}").strip()
        assert address in machine.run("ip", "-o", "-4", "address", "show", "enp1s0f1np1")


def test_status_shows_the_table_and_validates_as_json(up: Sparkctl) -> None:
    report = up("cluster", "status", "--json").json()
    assert report["converged"] is True
    assert [n["swarm_role"] for n in report["nodes"]] == ["manager", "worker"]
    assert [n["swarm_state"] for n in report["nodes"]] == ["ready", "ready"]
    text = up("cluster", "status").stdout
    assert "spark-b" in text and "NVIDIA GB10" in text and "no changes" in text


def test_status_and_down_say_what_is_unreachable(
    machines: dict[str, Machine], up: Sparkctl
) -> None:
    machine = machines["spark-b"]
    machine.run("systemctl", "stop", "ssh.socket", "ssh.service")
    try:
        status = up("cluster", "status", expect=4)
        assert "unreachable" in status.stdout
        assert "spark-a" in status.stdout
        assert "E200" in status.stderr
    finally:
        machine.run("systemctl", "start", "ssh.service")


def test_every_command_opens_one_ssh_connection_per_machine(
    machines: dict[str, Machine], up: Sparkctl
) -> None:
    """Probe, files and the whole Docker API go through it."""

    def logins() -> dict[str, int]:
        count = "journalctl -q -u ssh.service | grep -c 'Accepted publickey' || :"
        return {name: int(machine.run("sh", "-c", count)) for name, machine in machines.items()}

    for command in (("plan",), ("up", "--yes"), ("status",), ("down", "--yes"), ("up", "--yes")):
        before = logins()
        up("cluster", *command)
        assert logins() == {name: count + 1 for name, count in before.items()}, command


def test_training_needs_no_root_also_where_daemon_json_is_roots_alone(
    machines: dict[str, Machine],
    sparkctl: Sparkctl,
    later: Callable[[Callable[[], object]], None],
) -> None:
    """After `up` the login user may use Docker, which is all that `train` asks for."""
    for machine in machines.values():
        machine.put("/etc/docker/daemon.json", b"{}", mode="600")
        later(lambda m=machine: m.put("/etc/docker/daemon.json", None))
    later(lambda: sparkctl("cluster", "down", "--yes"))
    sparkctl("cluster", "up", "--yes")
    shown = sparkctl("train", "tiny-llama-lora", "--render").stdout
    address = machines["spark-a"].run("docker", "info", "--format", "{{.Swarm.NodeAddr}}").strip()
    assert f'main_process_ip: "{address}"' in shown
    assert "<spark-" not in shown
