"""Which host keys are taken: real keys, real known_hosts files, no network."""

import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import paramiko
import pytest

from orchestrator.errors import HostKeyError
from orchestrator.node.handshake import _check_host_key, _known
from orchestrator.node.known_hosts import Known, known_keys
from orchestrator.node.login import Login

Check = Callable[..., None]


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> list[paramiko.PKey]:
    folder = tmp_path_factory.mktemp("keys")
    for name in ("one", "two"):
        command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name)]
        subprocess.run(command, check=True, stdin=subprocess.DEVNULL)
    return [paramiko.Ed25519Key(filename=str(folder / name)) for name in ("one", "two")]


@pytest.fixture
def login(tmp_path: Path) -> Login:
    return Login(
        node="spark-a", host="spark-a", port=22, user="nvidia", keys=(),
        known_hosts=(tmp_path / "known",), accept_new=True, timeout=5,
    )  # fmt: skip


@pytest.fixture
def check(login: Login) -> Check:
    """What becomes of a machine that shows this key, when the file says this."""

    def look(shown: paramiko.PKey, *lines: str, accept_new: bool = True) -> None:
        file = login.known_hosts[0]
        file.write_text("".join(f"{line}\n" for line in lines))
        known = Known(known_keys([file], "spark-a"), [])
        _check_host_key(replace(login, accept_new=accept_new), known, shown)

    return look


def line(key: paramiko.PKey, mark: str = "") -> str:
    return f"{mark}spark-a {key.get_name()} {key.get_base64()}"


def test_a_known_key_is_taken_and_nothing_is_written(
    check: Check, keys: list[paramiko.PKey], login: Login
) -> None:
    check(keys[0], line(keys[1]), line(keys[0]), accept_new=False)
    assert len(login.known_hosts[0].read_text().splitlines()) == 2


@pytest.mark.parametrize("accept_new", [True, False])
def test_a_changed_key_is_refused_also_where_new_ones_are_taken(
    check: Check, keys: list[paramiko.PKey], login: Login, accept_new: bool
) -> None:
    with pytest.raises(HostKeyError, match="has CHANGED") as caught:
        check(keys[1], line(keys[0]), accept_new=accept_new)
    file = login.known_hosts[0]
    assert f"{file}:1: ssh-ed25519" in str(caught.value.details)
    assert str(keys[1].fingerprint) in str(caught.value.details)
    assert f"ssh-keygen -R spark-a -f {file}" in str(caught.value.resolution)
    assert file.read_text() == line(keys[0]) + "\n"


@pytest.mark.parametrize("also_known", [True, False])
def test_a_revoked_key_is_refused_also_where_another_line_knows_it(
    check: Check, keys: list[paramiko.PKey], also_known: bool
) -> None:
    lines = [line(keys[0])] if also_known else []
    with pytest.raises(HostKeyError, match="is REVOKED") as caught:
        check(keys[0], *lines, line(keys[0], "@revoked "))
    assert "Do not connect" in str(caught.value.resolution)


def test_that_another_key_was_revoked_does_not_make_a_new_one_a_changed_one(
    check: Check, keys: list[paramiko.PKey], login: Login
) -> None:
    check(keys[1], line(keys[0], "@revoked "))
    assert line(keys[1]) in login.known_hosts[0].read_text()


def test_a_new_key_is_refused_unless_new_ones_are_taken(
    check: Check, keys: list[paramiko.PKey], login: Login
) -> None:
    with pytest.raises(HostKeyError, match="is not known"):
        check(keys[0], accept_new=False)
    assert login.known_hosts[0].read_text() == ""
    check(keys[0])
    assert login.known_hosts[0].read_text() == line(keys[0]) + "\n"


@pytest.mark.parametrize("port", [22, 2811])
def test_a_key_that_is_known_for_the_host_is_as_good_for_its_other_ports(
    login: Login, keys: list[paramiko.PKey], port: int
) -> None:
    """As with ssh: a lab, or a forwarded port, of a machine that was seen on port 22 before."""
    login.known_hosts[0].write_text(line(keys[0]) + "\n")
    strict = replace(login, port=port, accept_new=False)
    _check_host_key(strict, _known(strict), keys[0])
    with pytest.raises(HostKeyError, match="has CHANGED" if port == 22 else "is not known"):
        _check_host_key(strict, _known(strict), keys[1])


def test_a_key_of_the_port_itself_counts_before_one_of_the_host(
    login: Login, keys: list[paramiko.PKey]
) -> None:
    of_port = line(keys[1]).replace("spark-a", "[spark-a]:2811")
    login.known_hosts[0].write_text(f"{line(keys[0])}\n{of_port}\n")
    other = replace(login, port=2811)
    _check_host_key(other, _known(other), keys[1])
    with pytest.raises(HostKeyError, match="has CHANGED"):
        _check_host_key(other, _known(other), keys[0])


def test_a_revoked_key_of_the_host_is_refused_on_its_other_ports(
    login: Login, keys: list[paramiko.PKey]
) -> None:
    login.known_hosts[0].write_text(line(keys[0], "@revoked ") + "\n")
    other = replace(login, port=2811)
    with pytest.raises(HostKeyError, match="is REVOKED"):
        _check_host_key(other, _known(other), keys[0])


def test_an_alias_is_the_name_that_a_key_is_known_by_whatever_the_port(
    login: Login, keys: list[paramiko.PKey]
) -> None:
    aliased = replace(login, port=2811, host_key_alias="spark-a.lab")
    login.known_hosts[0].write_text(line(keys[0]) + "\n")  # of the host: another machine's
    _check_host_key(aliased, _known(aliased), keys[1])
    assert f"spark-a.lab {keys[1].get_name()}" in login.known_hosts[0].read_text()
    strict = replace(aliased, accept_new=False)
    _check_host_key(strict, _known(strict), keys[1])
    with pytest.raises(HostKeyError, match="has CHANGED") as caught:
        _check_host_key(strict, _known(strict), keys[0])
    assert "ssh-keygen -R spark-a.lab" in str(caught.value.resolution)
    assert "-o HostKeyAlias=spark-a.lab" in strict.command


def test_the_hint_for_a_new_key_is_what_helps(login: Login, keys: list[paramiko.PKey]) -> None:
    """Where ssh_config says `yes`, ssh itself would refuse without asking."""
    strict = replace(login, accept_new=False, not_served=("knownhostscommand /bin/keys",))
    with pytest.raises(HostKeyError, match="is not known") as caught:
        _check_host_key(strict, _known(strict), keys[0])
    assert "-o StrictHostKeyChecking=ask nvidia@spark-a" in str(caught.value.resolution)
    details = str(caught.value.details)
    assert "`knownhostscommand /bin/keys`, which sparkctl does not support" in details


@pytest.mark.parametrize("accept_new", [True, False])
def test_where_no_file_keeps_keys_the_hint_is_to_name_one(
    login: Login, keys: list[paramiko.PKey], accept_new: bool
) -> None:
    """`UserKnownHostsFile /dev/null`: asking once would change nothing."""
    nowhere = replace(login, accept_new=accept_new, known_hosts=())
    with pytest.raises(HostKeyError, match="no file to keep it in") as caught:
        _check_host_key(nowhere, _known(nowhere), keys[0])
    assert caught.value.resolution == (
        "Set in the cluster file: `ssh: {known_hosts: ~/.ssh/known_hosts, host_keys: accept-new}`"
    )
