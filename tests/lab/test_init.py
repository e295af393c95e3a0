"""From host names to a plan: `sparkctl init` looks at machines and writes a cluster file."""

from pathlib import Path

import pytest
import yaml

from orchestrator.lab import LabSpec
from tests.lab.machine import Machine, snapshot
from tests.lab.sparkctl import Sparkctl
from tests.lab.test_terminal import at_terminal


@pytest.fixture
def ssh_config(lab: LabSpec, tmp_path: Path) -> Path:
    """As a person would have it: the lab's machines by name, host keys in a file of their own."""
    data = yaml.safe_load(lab.out.read_text())
    folder = lab.out.parent
    key, known = folder / data["nodes"][0]["ssh"]["key"], tmp_path / "known_hosts"
    known.write_text((folder / data["ssh"]["known_hosts"]).read_text())
    text = f"Host *\n  IdentityFile {key}\n  IdentitiesOnly yes\n  UserKnownHostsFile {known}\n"
    for node in data["nodes"]:
        ssh = node["ssh"]
        text += f"Host {node['name']}\n  HostName {ssh['host']}\n"
        text += f"  Port {ssh['port']}\n  User {ssh['user']}\n"
    file = tmp_path / "ssh_config"
    file.write_text(text)
    return file


def test_hosts_a_file_and_a_plan(
    lab: LabSpec, machines: dict[str, Machine], ssh_config: Path, password: str, tmp_path: Path
) -> None:
    before = {name: snapshot(machine) for name, machine in machines.items()}
    mine = Sparkctl(tmp_path / "mine.yaml", {"SPARKCTL_SUDO_PASSWORD": password})
    options = ("--ssh-config", str(ssh_config), "--name", lab.name)
    ran = mine("init", "spark-a", "spark-b", *options)
    assert "FIX" not in ran.stdout and password not in ran.stdout + ran.stderr
    assert ran.stdout.count("works, with the password") == 2
    assert f"sparkctl -f {mine.file} cluster plan" in ran.stdout
    assert {name: snapshot(machine) for name, machine in machines.items()} == before
    planned = mine("cluster", "plan", "--json").json()
    assert planned["ok"] and {change["node"] for change in planned["changes"]} == set(machines)

    text = mine.file.read_text()
    assert "Add --force" in mine("init", "spark-a", "--yes", *options, expect=8).stderr
    assert mine.file.read_text() == text
    nobody = Sparkctl(mine.file)
    report = nobody("init", "spark-b", "--check-only", "--json", *options, expect=6).json()
    (failed,) = [one for one in report["checks"] if one["state"] == "fix"]
    assert (failed["node"], failed["check"], report["file"]) == ("spark-b", "sudo", None)


def test_a_stranger_and_a_machine_that_is_away_are_one_list(
    lab: LabSpec, ssh_config: Path, closed_port: int, password: str, tmp_path: Path
) -> None:
    """Beside a machine with which all is well."""
    text = ssh_config.read_text()
    own = yaml.safe_load(lab.out.read_text())["nodes"][1]["ssh"]["port"]
    ssh_config.write_text(
        f"Host stranger\n  HostName 127.0.0.1\n  Port {own}\n  User nobody-here\n"
        f"Host away\n  HostName 127.0.0.1\n  Port {closed_port}\n{text}"
    )
    mine = Sparkctl(tmp_path / "mine.yaml", {"SPARKCTL_SUDO_PASSWORD": password})
    ran = mine("init", "spark-a", "stranger", "away", "--ssh-config", str(ssh_config), expect=6)
    report = mine(
        "init", "spark-a", "stranger", "away", "--ssh-config", str(ssh_config), "--check-only",
        "--json", expect=6,
    ).json()  # fmt: skip
    failed = {(one["node"], one["check"]): one["fix"] for one in report["checks"]
              if one["state"] == "fix"}  # fmt: skip
    assert set(failed) == {("stranger", "ssh key"), ("away", "reachable")}
    assert "ssh-copy-id" in failed["stranger", "ssh key"]
    assert f"-p {own}" in failed["stranger", "ssh key"]
    assert "→ ssh-copy-id" in ran.stdout and mine.file.exists()


def test_a_host_key_is_taken_at_a_terminal_only(
    ssh_config: Path, password: str, tmp_path: Path
) -> None:
    known = tmp_path / "known_hosts"
    text = known.read_text()
    known.write_text("")
    file = tmp_path / "mine.yaml"
    mine = Sparkctl(file, {"SPARKCTL_SUDO_PASSWORD": password})
    words = ("init", "spark-a", "--ssh-config", str(ssh_config))
    ran = mine(*words, "--check-only", expect=6)
    assert "FIX  host key" in ran.stdout and known.read_text() == ""
    code, screen = at_terminal(
        file, *words, answers=[("Is this the key of spark-a?", "y"), ("sudo password", password)]
    )
    assert code == 0, screen
    (line,) = known.read_text().splitlines()
    assert line in text
    assert password not in screen
    assert mine("cluster", "plan", "--json").json()["ok"]
