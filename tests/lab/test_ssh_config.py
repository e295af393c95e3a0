"""Whole commands over SSH as people have it: ssh_config, a jump host, an agent, a passphrase."""

import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from orchestrator.lab import LabSpec, access
from tests.lab.machine import Machine
from tests.lab.sparkctl import Sparkctl
from tests.lab.test_terminal import at_terminal
from tests.support.agent import ssh_agent


@dataclass(frozen=True)
class Home:
    """A person's home with a ~/.ssh, and a cluster file that leaves all of SSH to it."""

    folder: Path
    data: dict[str, object]
    """The lab's own cluster file."""
    state: access.Access

    @property
    def file(self) -> Path:
        return self.folder / "cluster.yaml"

    @property
    def ssh(self) -> Path:
        return self.folder / ".ssh"

    @property
    def environment(self) -> dict[str, str]:
        return {"SPARKCTL_SUDO_PASSWORD": self.state.password}

    def port(self, node: int) -> int:
        nodes = self.data["nodes"]
        assert isinstance(nodes, list)
        return int(nodes[node]["ssh"]["port"])

    @property
    def config(self) -> Path:
        return self.ssh / "config"

    def write(self, *blocks: str) -> None:
        """Its ~/.ssh/config. ssh takes the home from the user database: all paths are said."""
        usual = f"Host *\n  UserKnownHostsFile {self.ssh}/known_hosts\n"
        self.config.write_text("".join(blocks) + usual + f"  IdentityFile {self.ssh}/id_ed25519\n")

    def host(self, node: int, *lines: str) -> str:
        """A block of ssh_config for a node's port on the loopback address."""
        name = f"spark-{'ab'[node]}"
        found = [f"Host {name}", "HostName 127.0.0.1", f"Port {self.port(node)}", "User nvidia"]
        return "\n  ".join([*found, *lines]) + "\n"


@pytest.fixture
def home(lab: LabSpec, sparkctl: Sparkctl, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    data = yaml.safe_load(sparkctl.file.read_text())
    made = Home(tmp_path / "home", data, access.Access(lab.state))
    made.ssh.mkdir(parents=True, mode=0o700)
    nodes = [{"name": name} for name in ("spark-a", "spark-b")]
    kept = {key: data[key] for key in ("apiVersion", "kind", "name", "container") if key in data}
    made.file.write_text(
        yaml.safe_dump(kept | {"nodes": nodes, "ssh": {"config": str(made.config)}})
    )
    made.write()
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    return made


@pytest.fixture
def sparkctl_at(home: Home) -> Sparkctl:
    """`sparkctl` in this home."""
    return Sparkctl(home.file, home.environment)


@pytest.fixture
def agent(home: Home) -> Iterator[Path]:
    """The agent alone holds the key: no file of it is in the home."""
    with ssh_agent(home.state.key) as path:
        yield path


def test_through_a_jump_host_with_a_key_that_only_the_agent_holds(
    home: Home, agent: Path, sparkctl_at: Sparkctl, machines: dict[str, Machine]
) -> None:
    """spark-b is reached through spark-a, at its address on the network between the two."""
    inside = machines["spark-b"].run("ip", "-4", "-o", "addr", "show", "enp1s0f1np1").split()[3]
    inside = inside.partition("/")[0]
    keys = machines["spark-b"].run("sh", "-c", "cat /etc/ssh/ssh_host_*_key.pub").splitlines()
    shutil.copy(home.state.known_hosts, home.ssh / "known_hosts")
    with (home.ssh / "known_hosts").open("a") as known:
        known.writelines(f"{inside} {' '.join(key.split()[:2])}\n" for key in keys)
    (home.ssh / "agent").write_text(f'IdentityAgent "{agent}"\n')
    home.write(
        home.host(0),
        f"Host spark-b\n  HostName {inside}\n  ProxyJump spark-a\n",
        f"Host *\n  User nvidia\n  Include {home.ssh}/agent\n",
    )
    report = sparkctl_at("cluster", "plan", "--json").json()
    assert {change["node"] for change in report["changes"]} == {"spark-a", "spark-b"}

    home.config.write_text(f"Host spark-b\n  IdentityAgent none\n{home.config.read_text()}")
    failed = sparkctl_at("cluster", "status", expect=4)
    assert f"error E201: spark-b ({inside}:22) refused the login of nvidia" in failed.stderr
    assert "-o IdentityAgent=none" in failed.stderr
    assert "-J spark-a" in failed.stderr


def encrypted(home: Home, passphrase: str) -> Path:
    key = home.ssh / "id_ed25519"
    shutil.copy(home.state.key, key)
    subprocess.run(
        ["ssh-keygen", "-q", "-p", "-N", passphrase, "-f", str(key)],
        check=True, capture_output=True,
    )  # fmt: skip
    shutil.copy(home.state.known_hosts, home.ssh / "known_hosts")
    home.write(home.host(0), home.host(1))
    return key


def test_an_encrypted_key_is_asked_for_once_for_all_machines(
    home: Home, sparkctl_at: Sparkctl, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = encrypted(home, "open sesame")
    for name, value in home.environment.items():
        monkeypatch.setenv(name, value)
    question = f"passphrase of {key}"

    code, screen = at_terminal(home.file, "cluster", "plan", answers=[(question, "open sesame")])
    assert code == 0, screen
    assert "on 2 nodes" in screen
    assert screen.count(question) == 1
    assert "open sesame" not in screen

    code, screen = at_terminal(
        home.file, "cluster", "plan", answers=[(question, "wrong one"), (question, "again")]
    )
    assert code == 4, screen
    assert screen.count(question) == 1
    assert screen.count("error E") == 1
    assert "wrong one" not in screen

    failed = sparkctl_at("cluster", "plan", expect=4)  # no terminal
    assert failed.stderr.count("error E203") == 2
    assert f"ssh-add {key}" in failed.stderr


def test_what_ssh_config_says_of_new_host_keys_holds_and_the_cluster_file_wins(
    home: Home, sparkctl_at: Sparkctl
) -> None:
    shutil.copy(home.state.key, home.ssh / "id_ed25519")
    known = home.ssh / "known_hosts"
    hosts = home.host(0) + home.host(1)
    home.write(hosts, "Host *\n  StrictHostKeyChecking yes\n")
    assert sparkctl_at("cluster", "plan", expect=4).stderr.count("error E204") == 2

    home.write(hosts, "Host *\n  StrictHostKeyChecking no\n")
    text = home.file.read_text()
    home.file.write_text(text.replace("ssh:\n", "ssh:\n  host_keys: strict\n"))
    sparkctl_at("cluster", "plan", expect=4)
    assert not known.exists()
    home.file.write_text(text)
    sparkctl_at("cluster", "plan")
    assert known.read_text().count("\n") == 2

    written = known.read_text().splitlines()
    wrong = access.ensure(home.folder / "other").public_key.split()[1]
    known.write_text("\n".join([written[0], f"{written[1].rsplit(' ', 2)[0]} ssh-ed25519 {wrong}"]))
    failed = sparkctl_at("cluster", "plan", expect=4)
    assert "has CHANGED" in failed.stderr
    assert f"{known}:2" in failed.stderr
    assert "ssh-keygen -R" in failed.stderr
