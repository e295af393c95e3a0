"""Which host keys are taken: real keys, real known_hosts files, no network."""

import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import paramiko
import pytest

from orchestrator.errors import HostKeyError
from orchestrator.node.handshake import _check_host_key
from orchestrator.node.known_hosts import known_keys
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
        known = known_keys([file], "spark-a")
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
