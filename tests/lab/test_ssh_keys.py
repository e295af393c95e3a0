"""Which keys are offered to a real sshd, and whose host key is believed."""

import base64
import hashlib
import shutil
import socket
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from orchestrator.errors import (
    AuthenticationError,
    ConnectError,
    HostKeyError,
    PassphraseNeededError,
)
from orchestrator.lab import access
from orchestrator.node.keys import offer, unlock
from orchestrator.node.login import Login
from orchestrator.node.ssh import SshConnection
from tests.support.agent import ssh_agent


def there(login: Login) -> None:
    """It lets us in."""
    connection = SshConnection(login)
    try:
        assert connection.run("echo there", b"", deadline=10).stdout == b"there\n"
    finally:
        connection.close()


def offered(login: Login) -> list[str]:
    with offer(login, {}) as keys:
        return [identity.name for identity in keys.identities]


@pytest.fixture
def stranger(tmp_path: Path) -> Path:
    """A key that the machine does not know."""
    return access.ensure(tmp_path / "stranger").key


@pytest.fixture
def agent(sshd: Login, stranger: Path) -> Iterator[Login]:
    """Only the agent has the right key, and a wrong one before it."""
    with ssh_agent(stranger, Path(sshd.keys[0])) as path:
        yield replace(sshd, keys=(), agent=str(path))


def test_a_key_that_only_the_agent_holds(agent: Login) -> None:
    there(agent)
    with pytest.raises(AuthenticationError, match="refused the login"):
        there(replace(agent, agent="none"))


def test_the_agent_of_the_environment(agent: Login, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSH_AUTH_SOCK", agent.agent)
    there(replace(agent, agent="SSH_AUTH_SOCK"))
    monkeypatch.delenv("SSH_AUTH_SOCK")
    with pytest.raises(AuthenticationError, match="refused the login"):
        there(replace(agent, agent="SSH_AUTH_SOCK"))


def test_the_agent_is_tried_before_files_and_a_named_key_first(
    agent: Login, sshd: Login, stranger: Path, tmp_path: Path
) -> None:
    file = access.ensure(tmp_path / "file").key
    names = offered(replace(agent, keys=(sshd.keys[0], str(file))))
    assert [name.startswith("agent:") for name in names] == [True, True, False]
    right, wrong = offered(replace(agent, keys=(sshd.keys[0],))), offered(agent)
    assert right == list(reversed(wrong))


def test_identities_only_takes_from_the_agent_what_a_file_names(
    agent: Login, sshd: Login, stranger: Path, tmp_path: Path
) -> None:
    """The file may be the public half alone, as with a hardware key."""
    half = tmp_path / "half"
    shutil.copy(f"{sshd.keys[0]}.pub", f"{half}.pub")
    there(replace(agent, keys=(str(half),), only_keys=True))
    only = replace(agent, keys=(str(stranger),), only_keys=True)
    assert len(offered(only)) == 1
    with pytest.raises(AuthenticationError, match="refused the login"):
        there(only)


def test_an_agent_that_is_not_there_or_says_nothing_is_named(
    sshd: Login, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    there(replace(sshd, agent=str(tmp_path / "none")))
    with pytest.raises(AuthenticationError) as caught:
        there(replace(sshd, keys=(), agent=str(tmp_path / "none")))
    assert f"no agent answers at {tmp_path}/none" in str(caught.value.details)
    monkeypatch.setattr("orchestrator.node.keys._LISTS", 0.5)
    with socket.socket(socket.AF_UNIX) as silent:
        silent.bind(str(tmp_path / "s"))
        silent.listen()
        with pytest.raises(AuthenticationError, match="refused the login"):
            there(replace(sshd, keys=(), agent=str(tmp_path / "s")))


@pytest.fixture
def encrypted(sshd: Login, tmp_path: Path) -> Login:
    """The right key, with a passphrase."""
    key = tmp_path / "encrypted"
    shutil.copy(sshd.keys[0], key)
    subprocess.run(
        ["ssh-keygen", "-q", "-p", "-N", "sesame", "-f", str(key)], check=True, capture_output=True
    )
    return replace(sshd, keys=(str(key),), agent="none")


def test_an_encrypted_key_opens_with_its_passphrase(encrypted: Login) -> None:
    with pytest.raises(PassphraseNeededError) as caught:
        SshConnection(encrypted)
    assert caught.value.key == encrypted.keys[0]
    connection = SshConnection(encrypted, {caught.value.key: unlock(caught.value.key, "sesame")})
    connection.close()


def test_nobody_is_asked_while_another_key_lets_us_in(
    encrypted: Login, sshd: Login, agent: Login
) -> None:
    there(replace(encrypted, keys=(*encrypted.keys, *sshd.keys)))
    there(replace(encrypted, agent=agent.agent, only_keys=True))


def test_a_host_key_that_changed_is_refused_with_the_line_and_the_mend(
    sshd: Login, tmp_path: Path
) -> None:
    known = tmp_path / "known"
    stranger = access.ensure(tmp_path / "other").public_key.split()
    text = f"# mine\n[127.0.0.1]:{sshd.port} {stranger[0]} {stranger[1]}\n"
    known.write_text(text)
    changed = replace(sshd, known_hosts=(tmp_path / "none", known), accept_new=True)
    with pytest.raises(HostKeyError, match="has CHANGED") as caught:
        SshConnection(changed)
    assert f"{known}:2: ssh-ed25519" in str(caught.value.details)
    fix = f"ssh-keygen -R '[127.0.0.1]:{sshd.port}' -f {known}"
    assert fix in str(caught.value.resolution)
    assert known.read_text() == text
    subprocess.run(fix, shell=True, check=True, capture_output=True)
    there(changed)  # the fix works: now it is a machine never seen before
    assert (tmp_path / "none").read_text().startswith(f"[127.0.0.1]:{sshd.port} ")


@pytest.mark.parametrize("kind", ["ssh-ed25519", "ecdsa-sha2-nistp256", "ssh-rsa"])
def test_one_known_kind_of_key_is_enough(kind: str, sshd: Login, tmp_path: Path) -> None:
    """The machine has three; we ask for the one that we know."""
    lines = sshd.known_hosts[0].read_text().splitlines(keepends=True)
    (tmp_path / "known").write_text("".join(line for line in lines if f" {kind} " in line))
    there(replace(sshd, known_hosts=(tmp_path / "known",)))


def test_the_second_file_the_system_s_and_hashed_names_are_believed(
    sshd: Login, tmp_path: Path
) -> None:
    hashed = tmp_path / "hashed"
    shutil.copy(sshd.known_hosts[0], hashed)
    subprocess.run(["ssh-keygen", "-q", "-H", "-f", str(hashed)], check=True, capture_output=True)
    assert "127.0.0.1" not in hashed.read_text()
    there(replace(sshd, known_hosts=(tmp_path / "none", hashed)))
    there(replace(sshd, known_hosts=(), system_known_hosts=(hashed,)))


def test_a_revoked_key_is_refused(sshd: Login, tmp_path: Path) -> None:
    good = sshd.known_hosts[0].read_text()
    revoked = "".join(f"@revoked {line}\n" for line in good.splitlines())
    (tmp_path / "known").write_text(good + revoked)
    with pytest.raises(HostKeyError, match="is REVOKED"):
        SshConnection(replace(sshd, known_hosts=(tmp_path / "known",)))


def test_an_unknown_key_is_shown_and_not_taken_where_it_cannot_be_kept(sshd: Login) -> None:
    with pytest.raises(HostKeyError, match="is not known") as caught:
        SshConnection(replace(sshd, known_hosts=(), accept_new=True))
    keys = [line.split()[2] for line in sshd.known_hosts[0].read_text().splitlines()]
    digests = [base64.b64encode(hashlib.sha256(base64.b64decode(k)).digest()) for k in keys]
    assert any(d.decode().rstrip("=") in str(caught.value.details) for d in digests)


def test_a_known_hosts_file_that_cannot_be_read_is_named(sshd: Login, tmp_path: Path) -> None:
    with pytest.raises(HostKeyError, match=f"{tmp_path} cannot be read"):
        SshConnection(replace(sshd, known_hosts=(tmp_path,)))


def test_a_machine_that_hangs_up_after_too_many_keys(sshd: Login, tmp_path: Path) -> None:
    keys = tuple(str(access.ensure(tmp_path / str(n)).key) for n in range(8))
    with pytest.raises(AuthenticationError, match="refused the login") as caught:
        SshConnection(replace(sshd, keys=keys))
    assert str(caught.value.details).count("\n") < 7  # it took six
    assert isinstance(caught.value, ConnectError)
