"""From the cluster file and ~/.ssh/config to the one login of a machine; no network."""

from pathlib import Path

import pytest

from orchestrator.errors import AuthenticationError, SparkctlError, SpecError
from orchestrator.node.login import Login, login_for
from orchestrator.spec.cluster import NodeSpec, SshSpec, SshTarget

CONFIG = """\
Host spark-a
  HostName 10.1.1.1
  Port 2222
  User nvidia
  IdentityFile ~/.ssh/spark
  UserKnownHostsFile /etc/spark-hosts ~/.ssh/other

Host bastion
  HostName 10.0.0.1
  User door

Host jump
  ProxyJump bastion

Host far
  ProxyJump jump,me@last:2200

Host direct
  ProxyJump none
  ProxyCommand none

Host circle
  ProxyJump circle

Host command
  ProxyCommand nc %h %p
"""


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "config").write_text(CONFIG)
    (tmp_path / ".ssh").mkdir()
    (tmp_path / ".ssh" / "spark").touch()
    return tmp_path / "config"


def login(config: Path, target: SshTarget | None = None, ssh: SshSpec | None = None) -> Login:
    node = NodeSpec(name="spark-a", ssh=target)
    return login_for(node, ssh or SshSpec(), config)


def test_what_is_left_out_comes_from_ssh_config(config: Path) -> None:
    found = login(config)
    assert (found.host, found.port, found.user) == ("10.1.1.1", 2222, "nvidia")
    assert found.keys == (str(config.parent / ".ssh" / "spark"),)
    assert found.known_hosts == (Path("/etc/spark-hosts"), config.parent / ".ssh" / "other")
    assert not found.accept_new


def test_what_the_cluster_file_says_wins(config: Path) -> None:
    target = SshTarget(host="spark-a", port=22, user="me", key=str(config))
    ssh = SshSpec(known_hosts="/known", host_keys="accept-new", connect_timeout=3)
    found = login(config, target, ssh)
    assert (found.host, found.port, found.user) == ("10.1.1.1", 22, "me")
    assert found.keys == (str(config),)
    assert (found.known_hosts, found.accept_new, found.timeout) == ((Path("/known"),), True, 3)


def test_a_host_that_the_config_does_not_know_is_taken_as_it_is(config: Path) -> None:
    found = login(config, SshTarget(host="10.9.9.9"))
    assert (found.host, found.port, found.user, found.keys) == ("10.9.9.9", 22, None, ())
    assert found.known_hosts[0] == config.parent / ".ssh" / "known_hosts"


def test_without_a_config_file(tmp_path: Path) -> None:
    assert login(tmp_path / "none").host == "spark-a"


def test_a_jump_is_a_login_of_its_own(config: Path) -> None:
    found = login(config, SshTarget(host="jump"))
    (jump,) = found.jumps
    assert (jump.host, jump.port, jump.user) == ("10.0.0.1", 22, "door")
    assert "-J bastion " in found.command  # as written: ssh_config knows its key and user


def test_jumps_in_a_row_and_with_a_jump_of_their_own(config: Path) -> None:
    found = login(config, SshTarget(host="far"))
    assert [(j.host, j.port, j.user) for j in found.jumps] == [
        ("10.0.0.1", 22, "door"),
        ("jump", 22, None),
        ("last", 2200, "me"),
    ]


def test_none_is_no_way(config: Path) -> None:
    found = login(config, SshTarget(host="direct"))
    assert (found.jumps, found.proxy_command) == ((), None)


def test_a_circle_of_jumps_is_told(config: Path) -> None:
    with pytest.raises(SpecError, match="in a circle"):
        login(config, SshTarget(host="circle"))


def test_a_command_as_the_way(config: Path) -> None:
    found = login(config, SshTarget(host="command"))
    assert found.proxy_command == "nc command 22"
    assert "'ProxyCommand=nc command 22'" in found.command


def test_a_key_that_is_not_there_is_told_and_one_of_ssh_config_passed_over(config: Path) -> None:
    with pytest.raises(AuthenticationError, match="there is no key file /no/such/key"):
        login(config, SshTarget(host="spark-a", key="/no/such/key"))
    (config.parent / ".ssh" / "spark").unlink()
    assert login(config).keys == ()


def test_a_key_that_the_cluster_file_names_is_the_only_one_offered(config: Path) -> None:
    assert login(config, SshTarget(host="spark-a", key=str(config))).only_keys
    assert not login(config).only_keys


def test_a_config_file_that_ssh_would_not_read_is_told(tmp_path: Path) -> None:
    (tmp_path / "config").write_text("Host a\n  this is no line\nMatch\n")
    with pytest.raises(SparkctlError) as caught:
        login(tmp_path / "config")
    assert str(tmp_path / "config") in caught.value.brief


def test_lines_of_a_config_that_cannot_be_meant(config: Path, tmp_path: Path) -> None:
    for text, words in (
        ("Port many\n", "gives it the port 'many'"),
        ("Match host\n  User me\n", "cannot be read"),
        ("Include config\n", "cannot be read"),
    ):
        (tmp_path / ".ssh" / "config").write_text(text)
        with pytest.raises(SpecError, match=words):
            login(tmp_path / ".ssh" / "config")


def test_what_a_config_file_includes_holds_and_blocks_go_on_after_it(
    config: Path, tmp_path: Path
) -> None:
    (tmp_path / ".ssh" / "more.d").mkdir()
    (tmp_path / ".ssh" / "more.d" / "one").write_text("Host lab\n  Port 2020\n")
    config.write_text("Include more.d/*\nUser everywhere\nHost other\n  Include none\n  Port 9\n")
    assert (login(config, SshTarget(host="lab")).port, login(config).user) == (2020, "everywhere")
    assert login(config, SshTarget(host="other")).port == 9


@pytest.mark.parametrize(
    ("said", "socket", "shown"),
    [
        ("", "SSH_AUTH_SOCK", False),
        ("IdentityAgent SSH_AUTH_SOCK", "SSH_AUTH_SOCK", False),
        ("IdentityAgent none", "none", True),
        ("IdentityAgent $MY_AGENT", "/run/mine", True),
        ("IdentityAgent ${MY_AGENT}.2", "/run/mine.2", True),
        ("IdentityAgent $NOBODY_SET_THIS", "none", True),
        ('IdentityAgent "~/my agents/%r.sock"', "HOME/my agents/nvidia.sock", True),
    ],
)
def test_the_agent_is_that_of_ssh_config(
    said: str,
    socket: str,
    shown: bool,
    config: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("MY_AGENT", "/run/mine")
    config.write_text(f"User nvidia\n{said}\n")
    found = login(config)
    assert found.agent == socket.replace("HOME", str(tmp_path))
    assert ("IdentityAgent=" in found.command) == shown


def test_identities_only(config: Path) -> None:
    config.write_text("IdentitiesOnly yes\nIdentityFile ~/.ssh/token\n")
    (config.parent / ".ssh" / "token.pub").touch()  # its other half is in the agent alone
    found = login(config)
    assert found.only_keys
    assert found.keys == (str(config.parent / ".ssh" / "token"),)
    assert "-o IdentitiesOnly=yes" in found.command


@pytest.mark.parametrize(
    ("said", "accepts"),
    [("yes", False), ("ask", False), ("accept-new", True), ("no", True), ("off", True)],
)
def test_new_host_keys_are_as_ssh_config_says_unless_the_cluster_file_does(
    said: str, accepts: bool, config: Path
) -> None:
    config.write_text(f"StrictHostKeyChecking {said}\n")
    found = login(config)
    assert found.accept_new == accepts
    assert ("StrictHostKeyChecking=accept-new" in found.command) == accepts
    assert not login(config, ssh=SshSpec(host_keys="strict")).accept_new
    assert login(config, ssh=SshSpec(host_keys="accept-new")).accept_new


@pytest.mark.parametrize("nowhere", ["none", "/dev/null"])
def test_known_hosts_that_keep_nothing_are_none(nowhere: str, config: Path) -> None:
    config.write_text(f"UserKnownHostsFile {nowhere}\nGlobalKnownHostsFile /etc/a '/etc/b c'\n")
    found = login(config)
    assert found.known_hosts == ()
    assert found.system_known_hosts == (Path("/etc/a"), Path("/etc/b c"))
    assert "UserKnownHostsFile=none" in found.command
    assert login(config, ssh=SshSpec(known_hosts="/dev/null")).known_hosts == ()


def test_the_line_to_try_is_what_sparkctl_does(config: Path) -> None:
    key = config.parent / "my key"
    key.touch()
    found = login(config, SshTarget(host="spark-a", key=str(key)))
    assert found.command == (
        f"ssh -p 2222 -i '{key}' -o IdentitiesOnly=yes "
        f"-o 'UserKnownHostsFile=/etc/spark-hosts {config.parent}/.ssh/other' nvidia@10.1.1.1"
    )
