"""Encrypted keys: asked for once for all nodes, tried once, and not without a terminal."""

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from orchestrator.errors import (
    AuthenticationError,
    ConnectError,
    NodeErrors,
    PassphraseNeededError,
)
from orchestrator.node import connect
from orchestrator.node.connect import connect_all, connect_available
from orchestrator.node.connection import Completed
from orchestrator.node.keys import Unlocked, public_half, unlock
from orchestrator.node.login import Login
from orchestrator.node.parallel import try_each
from orchestrator.testing.connection import FakeConnection
from tests.support.clusters import sparks

pytestmark = pytest.mark.patient

SECRET = "open sesame"


def make_key(path: Path, kind: str = "ed25519", *options: str, passphrase: str = SECRET) -> str:
    command = ["ssh-keygen", "-q", "-t", kind, *options, "-f", str(path), "-N", passphrase]
    subprocess.run(command, check=True)
    return str(path)


@pytest.fixture
def key(tmp_path: Path) -> str:
    return make_key(tmp_path / "id")


Doors = Callable[..., list[FakeConnection]]


@pytest.fixture
def doors(monkeypatch: pytest.MonkeyPatch) -> Doors:
    """Machines that let in who has one of these keys unlocked, tried in this order."""
    made: list[FakeConnection] = []

    def install(*keys: str, off: tuple[str, ...] = ()) -> list[FakeConnection]:
        def ssh(login: Login, unlocked: Unlocked) -> FakeConnection:
            if login.node in off:
                raise ConnectError("off", node=login.node)
            for key in keys:
                if key not in unlocked:
                    raise PassphraseNeededError(key, login.node, login.title)
            made.append(FakeConnection(lambda script: Completed(0, b"", b"")))
            return made[-1]

        monkeypatch.setattr("orchestrator.node.ssh.SshConnection", ssh)
        return made

    return install


class Person:
    def __init__(self, answer: str | None = SECRET) -> None:
        self.answer, self.asked = answer, list[str]()

    def __call__(self, key: str) -> str | None:
        self.asked.append(key)
        return self.answer


def test_one_question_for_all_nodes(doors: Doors, key: str) -> None:
    doors(key)
    person = Person()
    with connect_all(sparks(3), ask_passphrase=person) as nodes:
        assert list(nodes) == ["spark-a", "spark-b", "spark-c"]
    assert person.asked == [key]


def test_a_second_key_is_asked_for_when_the_first_was_not_enough(
    doors: Doors, key: str, tmp_path: Path
) -> None:
    """As with a jump host that has a key of its own."""
    second = make_key(tmp_path / "second")
    doors(key, second)
    person = Person()
    with connect_all(sparks(2), ask_passphrase=person) as nodes:
        assert len(nodes) == 2
    assert person.asked == [key, second]


def test_a_wrong_passphrase_is_one_error_and_no_second_question(doors: Doors, key: str) -> None:
    doors(key)
    person = Person("not-the-phrase")
    with (
        pytest.raises(AuthenticationError, match="does not open the key") as caught,
        connect_all(sparks(2), ask_passphrase=person),
    ):
        pass
    assert person.asked == [key]
    assert f"ssh-add {key}" in str(caught.value.resolution)
    assert "not-the-phrase" not in str(caught.value.to_dict())


@pytest.mark.parametrize("ask", [{}, {"ask_passphrase": Person(None)}])
def test_with_nobody_to_ask_every_node_names_the_key_and_the_mend(
    ask: dict[str, Person], doors: Doors, key: str
) -> None:
    doors(key)
    with pytest.raises(NodeErrors) as caught, connect_all(sparks(2), **ask):  # type: ignore[arg-type]
        pass
    assert [error.code for error in caught.value.errors] == ["E203", "E203"]
    assert all(f"ssh-add {key}" in str(error.resolution) for error in caught.value.errors)


def test_not_more_than_eight_log_in_at_once(doors: Doors, monkeypatch: pytest.MonkeyPatch) -> None:
    """A jump host's sshd drops logins from the tenth on."""
    limits: list[object] = []

    def spy(*given: Any, **named: Any) -> Any:
        limits.append(named.get("at_once"))
        return try_each(*given, **named)

    doors()
    monkeypatch.setattr(connect, "try_each", spy)
    with connect_all(sparks(12)) as nodes:
        assert len(nodes) == 12
    assert limits == [8]


def test_status_shows_the_others_when_one_is_off(doors: Doors, key: str) -> None:
    made = doors(key, off=("spark-b",))
    with connect_available(sparks(3), ask_passphrase=Person()) as (nodes, errors):
        assert (list(nodes), list(errors)) == (["spark-a", "spark-c"], ["spark-b"])
    assert [machine.closed for machine in made] == [True, True]


@pytest.mark.parametrize(
    "made",
    [("ed25519",), ("rsa",), ("ecdsa",), ("rsa", "-m", "PEM")],
    ids=lambda made: " ".join(made),
)
def test_every_usual_format_opens_with_its_passphrase_alone(
    made: tuple[str, ...], tmp_path: Path
) -> None:
    path = make_key(tmp_path / "id", *made)
    public = (tmp_path / "id.pub").read_text().split()[1]
    assert unlock(path, SECRET).get_base64() == public
    for wrong in ("", "wrong"):
        with pytest.raises(AuthenticationError):
            unlock(path, wrong)


def test_the_public_half_of_an_encrypted_file_needs_no_passphrase(tmp_path: Path) -> None:
    path = make_key(tmp_path / "id")
    with_pub = public_half(path)
    (tmp_path / "id.pub").unlink()
    assert public_half(path) == with_pub == unlock(path, SECRET).asbytes()
