"""From the cluster file and ~/.ssh/config to the one login of a machine; no network."""

import os
import pwd
from pathlib import Path

import pytest

from orchestrator.errors import AuthenticationError, SpecError
from orchestrator.node.login import Login, login_for
from orchestrator.node.ssh_config.files import usual_files
from orchestrator.spec.cluster import NodeSpec, SshSpec, SshTarget
from tests.support.ssh_config import SSH, without_openssh

CONFIG = """\
Host spark-a
  HostName 10.1.1.1
  Port 2222
  User nvidia
  IdentityFile SSH/spark
  UserKnownHostsFile /etc/spark-hosts SSH/other

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
  ProxyJump roundabout

Host roundabout
  ProxyJump circle

Host command
  ProxyCommand nc %h %p
"""


ME = pwd.getpwuid(os.getuid())


@pytest.fixture(params=[pytest.param(True, marks=SSH), False], ids=["OpenSSH", "without"])
def config(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    if not request.param:
        without_openssh(monkeypatch)
    (tmp_path / "config").write_text(CONFIG.replace("SSH", f"{tmp_path}/.ssh"))
    (tmp_path / ".ssh").mkdir()
    (tmp_path / ".ssh" / "spark").touch()
    return tmp_path / "config"


def login(config: Path, target: SshTarget | None = None, ssh: SshSpec | None = None) -> Login:
    node = NodeSpec(name="spark-a", ssh=target)
    return login_for(node, (ssh or SshSpec()).model_copy(update={"config": str(config)}))


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
    assert (found.host, found.port, found.user) == ("10.9.9.9", 22, ME.pw_name)
    assert found.known_hosts[0] == Path(ME.pw_dir) / ".ssh" / "known_hosts"


def test_the_usual_files_are_those_of_the_user_database(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As with ssh, whatever $HOME says."""
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".ssh").mkdir()
    (tmp_path / ".ssh" / "config").write_text("Host a-host-of-this-test\n  Port 7\n")
    found = login_for(NodeSpec(name="a-host-of-this-test"), SshSpec())
    assert found.port == 22
    assert usual_files()[0].path == Path(ME.pw_dir) / ".ssh" / "config"


def test_a_jump_is_a_login_of_its_own(config: Path) -> None:
    found = login(config, SshTarget(host="jump"))
    (jump,) = found.jumps
    assert (jump.host, jump.port, jump.user) == ("10.0.0.1", 22, "door")
    assert "-J bastion " in found.command  # as written: ssh_config knows its key and user


def test_jumps_in_a_row_and_with_a_jump_of_their_own(config: Path) -> None:
    found = login(config, SshTarget(host="far"))
    assert [(j.host, j.port, j.user) for j in found.jumps] == [
        ("10.0.0.1", 22, "door"),
        ("jump", 22, ME.pw_name),
        ("last", 2200, "me"),
    ]


def test_none_is_no_way(config: Path) -> None:
    found = login(config, SshTarget(host="direct"))
    assert (found.jumps, found.proxy_command) == ((), None)


def test_a_circle_of_jumps_is_told(config: Path) -> None:
    with pytest.raises(SpecError) as caught:
        login(config, SshTarget(host="circle"))
    assert "goes in a circle" in str(caught.value.details)


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


def test_what_a_config_file_includes_holds_and_blocks_go_on_after_it(
    config: Path, tmp_path: Path
) -> None:
    (tmp_path / ".ssh" / "more.d").mkdir()
    (tmp_path / ".ssh" / "more.d" / "one").write_text("Host lab\n  Port 2020\n")
    config.write_text(
        f"Include {tmp_path}/.ssh/more.d/*\nUser everywhere\nHost other\n  Include none\n  Port 9\n"
    )
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
        ('IdentityAgent "~/my agents/%r.sock"', f"{ME.pw_dir}/my agents/nvidia.sock", True),
    ],
)
def test_the_agent_is_that_of_ssh_config(
    said: str,
    socket: str,
    shown: bool,
    config: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("MY_AGENT", "/run/mine")
    config.write_text(f"User nvidia\n{said}\n")
    found = login(config)
    assert found.agent == socket
    assert ("IdentityAgent=" in found.command) == shown


def test_identities_only(config: Path) -> None:
    config.write_text(f"IdentitiesOnly yes\nIdentityFile {config.parent}/.ssh/token\n")
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
        f"ssh -F {config} -p 2222 -i '{key}' -o IdentitiesOnly=yes "
        f"-o 'UserKnownHostsFile=/etc/spark-hosts {config.parent}/.ssh/other' nvidia@10.1.1.1"
    )
