"""From the cluster file and ~/.ssh/config to the one login of a machine; no network."""

from pathlib import Path

import pytest

from orchestrator.errors import ConnectError, SparkctlError
from orchestrator.node.ssh import Login, login_for
from orchestrator.spec.cluster import NodeSpec, SshSpec, SshTarget

CONFIG = """\
Host spark-a
  HostName 10.1.1.1
  Port 2222
  User nvidia
  IdentityFile ~/.ssh/spark
  UserKnownHostsFile /etc/spark-hosts ~/.ssh/other

Host jump
  ProxyJump bastion

Host command
  ProxyCommand nc %h %p
"""


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "config").write_text(CONFIG)
    return tmp_path / "config"


def login(config: Path, target: SshTarget | None = None, ssh: SshSpec | None = None) -> Login:
    node = NodeSpec(name="spark-a", ssh=target)
    return login_for(node, ssh or SshSpec(), config)


def test_what_is_left_out_comes_from_ssh_config(config: Path) -> None:
    found = login(config)
    assert (found.host, found.port, found.user) == ("10.1.1.1", 2222, "nvidia")
    assert found.keys == (str(config.parent / ".ssh" / "spark"),)
    assert found.known_hosts == Path("/etc/spark-hosts")
    assert not found.accept_new


def test_what_the_cluster_file_says_wins(config: Path) -> None:
    target = SshTarget(host="spark-a", port=22, user="me", key="/keys/id")
    ssh = SshSpec(known_hosts="/known", host_keys="accept-new", connect_timeout=3)
    found = login(config, target, ssh)
    assert (found.host, found.port, found.user) == ("10.1.1.1", 22, "me")
    assert found.keys == ("/keys/id",)
    assert (found.known_hosts, found.accept_new, found.timeout) == (Path("/known"), True, 3)


def test_a_host_that_the_config_does_not_know_is_taken_as_it_is(config: Path) -> None:
    found = login(config, SshTarget(host="10.9.9.9"))
    assert (found.host, found.port, found.user, found.keys) == ("10.9.9.9", 22, None, ())
    assert found.known_hosts == config.parent / ".ssh" / "known_hosts"


def test_without_a_config_file(tmp_path: Path) -> None:
    assert login(tmp_path / "none").host == "spark-a"


@pytest.mark.parametrize("host", ["jump", "command"])
def test_what_is_not_supported_is_said(config: Path, host: str) -> None:
    with pytest.raises(ConnectError, match="not supported yet") as caught:
        login(config, SshTarget(host=host))
    assert caught.value.node == "spark-a"


def test_a_config_file_that_ssh_would_not_read_is_told(tmp_path: Path) -> None:
    (tmp_path / "config").write_text("Host a\n  this is no line\nMatch\n")
    with pytest.raises(SparkctlError) as caught:
        login(tmp_path / "config")
    assert str(tmp_path / "config") in caught.value.brief


def test_the_line_to_try_is_what_sparkctl_does(config: Path) -> None:
    found = login(config, SshTarget(host="spark-a", key="/my keys/id"))
    assert found.command == (
        "ssh -p 2222 -i '/my keys/id' -o UserKnownHostsFile=/etc/spark-hosts nvidia@10.1.1.1"
    )
