"""ssh_config as people have it, read through OpenSSH and without it: to the same login."""

import os
import pwd
from pathlib import Path

import pytest

from orchestrator.errors import SpecError
from orchestrator.lab.wait import until
from orchestrator.node.login import Login, login_for
from orchestrator.spec.cluster import NodeSpec, SshSpec
from tests.support.ssh_config import SSH, without_openssh

FILES = Path(__file__).parent / "ssh_config"
HOME = pwd.getpwuid(os.getuid()).pw_dir
ME = pwd.getpwuid(os.getuid()).pw_name

LEADS_TO = {
    "a-trailing-comment": {"host": "127.0.0.1", "port": 2811, "user": "nvidia"},
    "b-apostrophe": {"host": "127.0.0.1", "port": 2811, "user": "nvidia"},
    "d-hostkeyalias": {"host_key_alias": "spark-a.lab", "known_as": "spark-a.lab", "port": 2811},
    "g-cp949-comment": {"host": "127.0.0.1", "port": 2811, "user": ME},
    "h-jump-uri": {"host": "192.168.1.20", "jump": ("gw.example", 2200, "door")},
    "i-jump-tokens": {"host": "192.168.1.20", "jump": ("gw.example", 22, "nvidia")},
    "j-proxycommand-tokens": {
        "proxy_command": "cloudflared access ssh --hostname spark-a.example.com --destination "
        "spark-a:22 # as they say"
    },
    "l-equals-and-quotes": {"host": "127.0.0.1", "port": 2811, "keys": ("my key",)},
    "r-hostname-token": {"host": "spark-a.lab.example", "keys": ("spark-a-nvidia-22",)},
    "s-env-in-path": {"keys": ("/KEYS/my key",), "known_hosts": (Path("/KEYS/known"),)},
    "t-tabs-and-crlf": {"host": "127.0.0.1", "port": 2811},
    "w-usual-jump-port": {"jump": ("fe80::1%eth0", 2222, ME)},
    "x-identityagent": {
        "agent": f"{HOME}/Library/Group Containers/2BUA8C4S2C.com.1password/t/agent.sock"
    },
    "y-identityfile-comment": {"keys": ("my key",), "only_keys": True, "accept_new": True},
    "z1-match-host-equals": {"port": 2811, "user": "nvidia"},
    "z2-match-all": {"user": "nvidia"},
    "z3-not-exec": {"user": "nvidia"},
}


def login(file: Path, host: str = "spark-a") -> Login:
    return login_for(NodeSpec(name=host), SshSpec(config=str(file)))


@pytest.fixture(params=[pytest.param(True, marks=SSH), False], ids=["OpenSSH", "without"])
def openssh(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    if not request.param:
        without_openssh(monkeypatch)
    return bool(request.param)


@pytest.mark.parametrize("name", LEADS_TO)
def test_a_file_leads_where_ssh_goes(
    name: str, openssh: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FIELD_KEYS", str(tmp_path / "KEYS"))
    (tmp_path / "KEYS").mkdir()
    for key in ("my key", "KEYS/my key", "spark-a-nvidia-22"):
        (tmp_path / key).touch()
    if name == "z3-not-exec" and not openssh:
        with pytest.raises(SpecError) as caught:
            login(FILES / name)
        assert "line 1: `Match exec` needs OpenSSH" in str(caught.value.details)
        return
    found = login(FILES / name)
    for what, expected in LEADS_TO[name].items():
        if what == "jump":
            (jump,) = found.jumps
            assert (jump.host, jump.port, jump.user) == expected
            continue
        text = str(getattr(found, what)).replace(str(tmp_path), "")
        assert text == str(expected), what


def test_files_that_a_pattern_does_not_mean_are_passed_over(openssh: bool, tmp_path: Path) -> None:
    folder = tmp_path / "conf2.d"
    folder.mkdir()
    (folder / ".DS_Store").write_bytes(b"\0\0\0\1Bud1\n")
    (folder / "sparks").write_text("Host spark-a\n  Port 2811\n")
    (tmp_path / "config").write_text(f"Include {folder}/*\n")
    assert login(tmp_path / "config").port == 2811


def test_a_criterion_that_ssh_does_not_know_is_told_with_file_and_line(openssh: bool) -> None:
    with pytest.raises(SpecError) as caught:
        login(FILES / "c-match-new")
    said = str(caught.value.details)
    assert "Unsupported Match attribute tagged" in said
    assert f"{FILES}/c-match-new line 1" in said


def test_a_quote_without_its_pair_is_told_with_file_and_line(openssh: bool) -> None:
    with pytest.raises(SpecError) as caught:
        login(FILES / "z4-unbalanced")
    assert f"{FILES}/z4-unbalanced line 3: invalid quotes" in str(caught.value.details)


def test_match_exec_is_run_by_ssh_and_without_it_refused_by_name(
    openssh: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    if not openssh:
        with pytest.raises(SpecError) as caught:
            login(FILES / "n-match-exec")
        assert "line 1: `Match exec` needs OpenSSH" in str(caught.value.details)
        assert login(FILES / "n-match-exec", "other").host == "other"  # it never comes to that
        return
    assert login(FILES / "n-match-exec").host == "spark-a.tailnet.ts.net"
    (tmp_path / "at-home").touch()
    assert login(FILES / "n-match-exec").host == "192.168.1.20"


REFUSED = {
    "Port many\n": "line 1: ",
    "Port 22 23\n": "line 1: keyword port extra arguments at end of line",
    "Match host\n  User me\n": "line 1: ",
    "NoSuchKeyword yes\n": "line 1: Bad configuration option: nosuchkeyword",
    "HostName %x\n": "unknown key %x",
    "ProxyJump fe80::1\n": 'line 1: Invalid ProxyJump "fe80::1"',
    "ProxyJump gw:0\n": 'line 1: Invalid ProxyJump "gw:0"',
    "ProxyJump a%q\n": "unknown key %q",
    "ProxyCommand nc %q\n": "unknown key %q",
    "IdentityFile %q\n": "unknown key %q",
    "UserKnownHostsFile ${NOBODY_SET_THIS}\n": "env var ${NOBODY_SET_THIS} has no value",
    "Include SELF\n": "",
    "ProxyUseFdpass yes\n": "sparkctl does not support `proxyusefdpass yes`",
    "RevokedHostKeys /etc/revoked\n": "sparkctl does not support `revokedhostkeys /etc/revoked`",
}


@pytest.mark.parametrize("text", REFUSED)
def test_what_ssh_would_not_follow_is_an_error_of_that_file(
    text: str, openssh: bool, tmp_path: Path
) -> None:
    file = tmp_path / "config"
    file.write_text(text.replace("SELF", str(file)))
    with pytest.raises(SpecError) as caught:
        login(file)
    assert caught.value.brief == f"{file} does not lead to spark-a"
    assert REFUSED[text] in str(caught.value.details)
    assert "`ssh -G spark-a`" in str(caught.value.resolution)


def test_what_is_not_served_is_named_where_a_login_fails(openssh: bool, tmp_path: Path) -> None:
    file = tmp_path / "config"
    file.write_text("AddressFamily any\nCertificateFile /my/cert\nKnownHostsCommand /bin/keys %h\n")
    assert login(file).not_served == (
        "certificatefile /my/cert",
        "knownhostscommand /bin/keys %h",
    )


def test_a_config_that_is_not_there_is_told(openssh: bool, tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="there is no file"):
        login(tmp_path / "none")


def test_what_others_may_write_is_not_included(openssh: bool, tmp_path: Path) -> None:
    (tmp_path / "open").write_text("Port 7\n")
    (tmp_path / "open").chmod(0o666)
    (tmp_path / "config").write_text(f"Include {tmp_path}/open\n")
    with pytest.raises(SpecError) as caught:
        login(tmp_path / "config")
    assert f"Bad owner or permissions on {tmp_path}/open" in str(caught.value.details)


@SSH
def test_commands_of_match_exec_do_not_outlive_their_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("orchestrator.node.ssh_config.openssh._DEADLINE", 0.5)
    marker = tmp_path / "pid"
    (tmp_path / "config").write_text(f'Match exec "echo $$ >{marker}; exec sleep 600"\n  Port 7\n')
    with pytest.raises(SpecError) as caught:
        login(tmp_path / "config")
    assert "look at its `Match exec`" in str(caught.value.details)
    until(
        lambda: ended(marker.read_text().strip()), what="the end of its shell", deadline_seconds=10
    )


def ended(process: str) -> bool:
    try:
        state = Path(f"/proc/{process}/stat").read_text().rpartition(") ")[2]
    except (FileNotFoundError, ProcessLookupError):
        return True
    return state.startswith("Z")
