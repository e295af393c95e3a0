"""The sudo wrapper, run by the real `sh` with stand-ins for `sudo` and `id` first on PATH.

The stand-in `sudo` knows one password, writes down how it was called, and runs the command as the
same user. That real sudo behaves so is shown in the lab.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from orchestrator.errors import PasswordNeededError, RemoteError, SudoError
from orchestrator.node.connection import Completed
from orchestrator.node.local import LocalConnection
from orchestrator.node.node import Node
from tests.support.stand_ins import stand_in

PASSWORD = "it's $HOME \\ right"

SUDO = """\
echo "$*" >>{log}
needs_password={needs_password}
ask=
while [ $# -gt 0 ]; do
  case $1 in
    --) shift; break ;;
    -p) shift ;;
    -*n*) ask=never ;;
    -*S*) ask=stdin ;;
    -*) ;;
    *) break ;;
  esac
  shift
done
[ -n "$needs_password" ] || exec "$@"
[ "$ask" = stdin ] || exit 1
while IFS= read -r given; do
  [ "$given" = "$(cat {password})" ] && exec "$@"
  echo "Sorry, try again." >&2
done
exit 1
"""


@dataclass
class Machine:
    """This computer, as if a user who is not root were logged in."""

    log: Path

    @property
    def calls(self) -> list[str]:
        return self.log.read_text().splitlines() if self.log.exists() else []

    def node(self, password: str | None) -> Node:
        return Node("here", Watched(self), password)


@dataclass
class Watched(LocalConnection):
    """The local connection, which also keeps every command line."""

    machine: Machine | None = None

    def __init__(self, machine: Machine) -> None:
        super().__init__()
        self.machine = machine
        self.commands: list[str] = []
        self.sent: list[bytes] = []

    def run(self, command: str, stdin: bytes, *, deadline: float) -> Completed:
        self.commands.append(command)
        self.sent.append(stdin)
        return super().run(command, stdin, deadline=deadline)


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[bool], Machine]:
    def build(needs_password: bool) -> Machine:
        folder, log = tmp_path / "bin", tmp_path / "log"
        (tmp_path / "password").write_text(PASSWORD)
        script = SUDO.format(
            log=log, password=tmp_path / "password", needs_password="yes" if needs_password else ""
        )
        stand_in(folder, "sudo", script)
        stand_in(folder, "id", '[ "$1" = -u ] && echo 1000')
        monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
        return Machine(log)

    return build


def test_without_a_password_sudo_is_enough_where_it_asks_none(
    machine: Callable[[bool], Machine],
) -> None:
    here = machine(False)
    assert here.node(None).script("echo done") == "done\n"
    assert here.calls[0] == "-kn true"
    assert here.calls[1].startswith("-n -- sh -c ")
    assert len(here.calls) == 2


def test_the_right_password_lets_the_script_run(machine: Callable[[bool], Machine]) -> None:
    here = machine(True)
    assert here.node(PASSWORD).script("echo done; cat") == "done\n"


def test_the_password_never_reaches_the_script(machine: Callable[[bool], Machine]) -> None:
    """What follows the first line on standard input is the command's, and nothing else."""
    node = machine(True).node(PASSWORD)
    done = node._run("cat", b"first\nlast", need="root", deadline=10)
    assert done.stdout == b"first\nlast"


def test_the_password_is_in_no_argument(machine: Callable[[bool], Machine]) -> None:
    here = machine(True)
    node = here.node(PASSWORD)
    node.script("true")
    node.script("true")
    assert isinstance(node.connection, Watched)
    assert len(node.connection.commands) == 3
    for text in [*node.connection.commands, *here.calls]:
        assert PASSWORD not in text


def test_a_known_password_is_not_checked_again(machine: Callable[[bool], Machine]) -> None:
    here = machine(True)
    node = here.node(PASSWORD)
    node.script("true")
    assert here.calls[:2] == ["-kn true", "-kS -p  -- true"]
    assert len(here.calls) == 3
    node.script("true")
    assert len(here.calls) == 4


def test_a_password_that_sudo_does_not_ask_for_does_not_reach_the_script(
    machine: Callable[[bool], Machine],
) -> None:
    """As where sudoers lets one command through without it."""
    here = machine(False)
    node = here.node(PASSWORD)
    node._wants = {"root": True, "docker": True}
    done = node._run("cat", b"first\nlast", need="root", deadline=10)
    assert done.stdout == b"first\nlast"
    assert node._run("cat", b"", need="root", deadline=10).stdout == b""


def test_no_password_is_sent_where_none_is_wanted(machine: Callable[[bool], Machine]) -> None:
    here = machine(False)
    node = here.node(PASSWORD)
    node.script("true")
    assert isinstance(node.connection, Watched)
    assert not any(PASSWORD.encode() in sent for sent in node.connection.sent)


@pytest.mark.parametrize("needs_password", [False, True], ids=["without", "with"])
def test_a_channel_ends_when_its_command_does(
    machine: Callable[[bool], Machine], needs_password: bool
) -> None:
    """A dead engine's `docker system dial-stdio` ends at once while our side stays open."""
    node = machine(needs_password).node(PASSWORD)
    node._wants = {"root": needs_password, "docker": needs_password}  # whatever is installed here
    stream = node._open("false")
    stream.settimeout(20)
    try:
        assert stream.recv(1) == b""
    finally:
        stream.close()
        node.close()


def test_no_password_where_one_is_wanted(machine: Callable[[bool], Machine]) -> None:
    here = machine(True)
    with pytest.raises(PasswordNeededError):
        here.node(None).script("true")
    assert here.calls == ["-kn true"]


def test_a_wrong_password_is_tried_once(machine: Callable[[bool], Machine], tmp_path: Path) -> None:
    here = machine(True)
    with pytest.raises(SudoError) as caught:
        here.node("wrong").script(f"touch {tmp_path}/ran")
    assert caught.value.code == "E300"
    assert here.calls == ["-kn true", "-kS -p  -- true"]
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("words", [
    "sudo: sorry, you must have a tty to run sudo",
    "nvidia is not in the sudoers file.",
    "sudo: 1 incorrect password attempt",
])  # fmt: skip
@pytest.mark.parametrize("password", [None, PASSWORD])
def test_sudo_s_own_words_are_shown(
    words: str, password: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stand_in(tmp_path, "sudo", f"echo '{words}' >&2; exit 1")
    stand_in(tmp_path, "id", "echo 1000")
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    with pytest.raises(SudoError) as caught:
        Node("here", LocalConnection(), password).script("true")
    assert caught.value.details == words
    assert isinstance(caught.value, PasswordNeededError) == (password is None)


def test_where_there_is_no_sudo_that_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("sh", "true"):
        (tmp_path / name).symlink_to(f"/bin/{name}")
    stand_in(tmp_path, "id", "echo 1000")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SudoError) as caught:
        Node("here", LocalConnection(), None).script("true")
    assert "sudo: not found" in str(caught.value.details)


def test_the_exit_code_of_the_script_comes_through(machine: Callable[[bool], Machine]) -> None:
    for needs_password in (False, True):
        with pytest.raises(RemoteError, match="exit code 41"):
            machine(needs_password).node(PASSWORD).script("exit 41")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root shows that root needs no sudo")
def test_root_needs_no_sudo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in(tmp_path, "sudo", f"touch {tmp_path}/called; exit 1")
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    assert Node("here", LocalConnection()).script("echo done") == "done\n"
    assert not (tmp_path / "called").exists()
