"""A user's mistakes against real machines: one clear message, a documented exit code, no change."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml

from tests.lab.machine import Machine, snapshot
from tests.lab.sparkctl import Sparkctl


@pytest.fixture
def changed(sparkctl: Sparkctl, tmp_path: Path) -> "Changed":
    return Changed(yaml.safe_load(sparkctl.file.read_text()), sparkctl.file.parent, tmp_path)


class Changed:
    """The lab's cluster file with one thing wrong."""

    def __init__(self, data: dict[str, object], base: Path, folder: Path) -> None:
        self.data, self.base, self.folder = data, base, folder

    def write(self) -> Path:
        """The file, with every path in it absolute."""
        for node in self.data["nodes"]:  # type: ignore[attr-defined]
            node["ssh"]["key"] = str(self.base / node["ssh"]["key"])
        for section, key in (("ssh", "known_hosts"), ("sudo", "password_file")):
            if key in self.data.get(section, {}):  # type: ignore[operator]
                self.data[section][key] = str(self.base / self.data[section][key])  # type: ignore[index]
        path = self.folder / "cluster.yaml"
        path.write_text(yaml.safe_dump(self.data))
        return path


def test_an_unreachable_host_is_named_with_the_ssh_line(
    sparkctl: Sparkctl, changed: Changed, machines: dict[str, Machine], closed_port: int
) -> None:
    before = snapshot(machines["spark-a"])
    changed.data["nodes"][1]["ssh"]["port"] = closed_port  # type: ignore[index]
    failed = sparkctl("cluster", "up", "--yes", file=changed.write(), expect=4)
    assert "error E200: spark-b" in failed.stderr
    assert f"ssh -p {closed_port}" in failed.stderr
    assert snapshot(machines["spark-a"]) == before


def test_a_wrong_key_is_refused_and_named(
    sparkctl: Sparkctl, changed: Changed, tmp_path: Path, other_key: Path
) -> None:
    for node in changed.data["nodes"]:  # type: ignore[attr-defined]
        node["ssh"]["key"] = str(other_key)
    failed = sparkctl("cluster", "up", "--yes", file=changed.write(), expect=4)
    assert failed.stderr.count("error E201") == 2
    assert str(other_key) in failed.stderr


def test_an_unknown_host_key_is_refused(
    sparkctl: Sparkctl, changed: Changed, tmp_path: Path
) -> None:
    (tmp_path / "none").write_text("")
    changed.data["ssh"]["known_hosts"] = str(tmp_path / "none")  # type: ignore[index]
    failed = sparkctl("cluster", "plan", file=changed.write(), expect=4)
    assert "error E204" in failed.stderr
    assert "accept-new" in failed.stderr
    assert (tmp_path / "none").read_text() == ""


def test_accept_new_writes_the_key_down_once(
    sparkctl: Sparkctl, changed: Changed, tmp_path: Path
) -> None:
    known = tmp_path / "known"
    changed.data["ssh"] = {"known_hosts": str(known), "host_keys": "accept-new"}
    file = changed.write()
    sparkctl("cluster", "plan", file=file)
    first = known.read_text()
    assert first.count("\n") == 2
    sparkctl("cluster", "plan", file=file)
    assert known.read_text() == first


def test_a_wrong_sudo_password_is_tried_once_and_changes_nothing(
    sparkctl: Sparkctl, changed: Changed, machines: dict[str, Machine], tmp_path: Path
) -> None:
    (tmp_path / "password").write_text("not-the-password\n")
    (tmp_path / "password").chmod(0o600)
    changed.data["sudo"]["password_file"] = str(tmp_path / "password")  # type: ignore[index]
    before = snapshot(machines["spark-a"])
    count = "journalctl -q -t sudo | grep -c 'incorrect password attempt' || :"
    tries = int(machines["spark-a"].run("sh", "-c", count))
    failed = sparkctl("cluster", "up", "--yes", file=changed.write(), expect=5)
    assert failed.stderr.count("error E300") == 2
    assert "not-the-password" not in failed.stderr + failed.stdout
    assert snapshot(machines["spark-a"]) == before
    assert int(machines["spark-a"].run("sh", "-c", count)) == tries + 1


def test_a_missing_sudo_password_is_said_and_the_environment_gives_it(
    sparkctl: Sparkctl, changed: Changed, password: str
) -> None:
    del changed.data["sudo"]
    file = changed.write()
    failed = sparkctl("cluster", "plan", file=file, expect=5)
    assert "SPARKCTL_SUDO_PASSWORD" in failed.stderr
    given = Sparkctl(sparkctl.file, {"SPARKCTL_SUDO_PASSWORD": password})
    assert "16 changes" in given("cluster", "plan", file=file).stdout


FLAGS = """\
import fcntl, os, struct, sys
file = os.open(sys.argv[1], os.O_RDONLY)
flags = bytearray(8)
fcntl.ioctl(file, 0x80086601, flags)  # FS_IOC_GETFLAGS
(was,) = struct.unpack("l", flags)
fcntl.ioctl(file, 0x40086602, struct.pack("l", was ^ 0x10))  # FS_IOC_SETFLAGS, FS_IMMUTABLE_FL
"""


def test_an_immutable_file_is_found_in_the_plan(
    sparkctl: Sparkctl, machines: dict[str, Machine], later: Callable[[Callable[[], object]], None]
) -> None:
    """`chattr +i`, by the call that it makes."""
    machine, file = machines["spark-b"], "/etc/nvidia-container-runtime/config.toml"
    flip = ("python3", "-c", FLAGS, file)
    machine.run(*flip)
    later(lambda: machine.run(*flip))
    refused = sparkctl("cluster", "up", "--yes", expect=6).stderr
    assert f"{file} on spark-b" in refused
    assert "immutable" in refused


def test_without_a_terminal_and_without_yes_nothing_happens(
    sparkctl: Sparkctl, machines: dict[str, Machine]
) -> None:
    before = snapshot(machines["spark-a"])
    refused = sparkctl("cluster", "up", expect=8)
    assert "--yes" in refused.stderr
    assert snapshot(machines["spark-a"]) == before


def test_training_before_up_says_what_to_do(sparkctl: Sparkctl) -> None:
    failed = sparkctl("train", "tiny-llama-lora", expect=10)
    assert "sparkctl cluster up" in failed.stderr


def test_a_foreign_swarm_is_never_taken_over(
    sparkctl: Sparkctl, machines: dict[str, Machine]
) -> None:
    machine = machines["spark-b"]
    machine.run("docker", "swarm", "init", "--advertise-addr", "127.0.0.1")
    try:
        node_id = machine.run("docker", "info", "--format", "{{.Swarm.NodeID}}")
        failed = sparkctl("cluster", "up", "--yes", expect=6)
        assert "spark-b is already in a swarm that sparkctl did not make" in failed.stderr
        assert machine.run("docker", "info", "--format", "{{.Swarm.NodeID}}") == node_id
    finally:
        machine.run("docker", "swarm", "leave", "--force")
        machine.run("docker", "network", "rm", "docker_gwbridge")


def test_the_sudo_password_is_nowhere_on_the_node(
    sparkctl: Sparkctl, machines: dict[str, Machine], password: str
) -> None:
    """Not in the process list while it works, not in the journal, not in a log."""
    machine = machines["spark-a"]
    machine.run(
        "sh", "-c",
        "nohup sh -c 'for i in $(seq 600); do cat /proc/[0-9]*/cmdline /proc/[0-9]*/environ; "
        "[ -e /tmp/enough ] && break; done >/tmp/seen 2>/dev/null' >/dev/null 2>&1 &",
    )  # fmt: skip
    try:
        sparkctl("cluster", "up", "--yes")
        machine.run("touch", "/tmp/enough")
        look = f"grep -rlaF -- {password} /tmp/seen /var/log /run/log /var/lib/sparkctl"
        assert machine.attempt("sh", "-c", look)[1].strip() == ""
        assert machine.run("sh", "-c", "wc -c </tmp/seen").strip() != "0"
    finally:
        sparkctl("cluster", "down", "--yes")
        machine.run("rm", "-f", "/tmp/enough", "/tmp/seen")


def test_a_firewall_is_found_before_anything_joins_and_before_a_run(
    sparkctl: Sparkctl, machines: dict[str, Machine], later: Callable[[Callable[[], object]], None]
) -> None:
    """Packets that vanish, not ports that refuse: an unused port refuses too."""
    shut = machines["spark-a"]
    sparkctl("cluster", "plan")  # the very first use of sudo leaves its own mark in the home
    before = {name: snapshot(machine) for name, machine in machines.items()}

    @contextmanager
    def dropped(*ports: tuple[str, int]) -> Iterator[None]:
        rules = [["-i", "enp1s0f1np1", "-p", p, "--dport", str(n), "-j", "DROP"] for p, n in ports]
        for rule in rules:
            shut.run("iptables", "-I", "INPUT", *rule)
        try:
            yield
        finally:
            for rule in rules:
                shut.run("iptables", "-D", "INPUT", *rule)

    with dropped(("tcp", 2377), ("udp", 7946)):
        failed = sparkctl("cluster", "up", "--yes", expect=6)
    assert "error E400: spark-b gets no answer from ports that Swarm needs" in failed.stderr
    assert re.search(r"tcp [\d.]+:2377\n +udp [\d.]+:7946\n", failed.stderr)
    assert not re.search(r"tcp [\d.]+:7946", failed.stderr)
    assert {name: snapshot(machine) for name, machine in machines.items()} == before
    later(lambda: sparkctl("cluster", "down", "--yes"))
    with dropped(("udp", 7946)):  # silence alone is no proof: it is told, and joined
        told = sparkctl("cluster", "up", "--yes").stdout
    assert re.search(r"spark-b: no answer from udp [\d.]+:7946", told)

    with dropped(("tcp", 29501)):
        failed = sparkctl("train", "tiny-llama-lora", expect=10)
    assert re.search(
        r"port: spark-b: nothing comes back from spark-a at tcp [\d.]+:29501", failed.stderr
    )
    assert "29500" not in failed.stderr
