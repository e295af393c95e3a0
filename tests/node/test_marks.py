"""What a login shell prints reaches no script's answer and no stream; what has not run is said."""

import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.errors import RemoteError
from orchestrator.node.connection import Completed, Stream
from orchestrator.node.local import LocalConnection
from orchestrator.node.marks import NOISE, Marks
from orchestrator.node.node import Node

GREETINGS = {
    "sh": (".profile", "echo WELCOME"),
    "bash": (".bashrc", "echo WELCOME; printf 'no newline'"),
    "zsh": (".zshenv", "echo WELCOME"),
    "fish": (".config/fish/config.fish", "echo WELCOME"),
    "tcsh": (".tcshrc", "echo WELCOME"),
}


class Login(LocalConnection):
    """This computer, with a login shell of some kind, as sshd starts it."""

    def __init__(self, shell: str, home: Path) -> None:
        super().__init__()
        rc, text = GREETINGS[shell]
        (home / rc).parent.mkdir(parents=True, exist_ok=True)
        (home / rc).write_text(f"{text}\n")
        self.before = f"HOME={home} XDG_CONFIG_HOME={home}/.config BASH_ENV={home}/.bashrc"
        self.shell = shell

    def run(self, command: str, stdin: bytes, *, deadline: float) -> Completed:
        return super().run(self._in_it(command), stdin, deadline=deadline)

    def open(self, command: str, first: bytes) -> Stream:
        return super().open(self._in_it(command), first)

    def _in_it(self, command: str) -> str:
        return f"{self.before} exec {self.shell} -c \"$(cat <<'END'\n{command}\nEND\n)\""


@pytest.fixture(params=GREETINGS)
def login(request: pytest.FixtureRequest, tmp_path: Path) -> Login:
    if shutil.which(request.param) is None:
        pytest.skip(f"no {request.param} on this computer")
    return Login(request.param, tmp_path)


def test_the_shell_of_a_test_greets(login: Login) -> None:
    """Else the others show nothing. Plain sh reads no file for a command."""
    greeting = login.run("true", b"", deadline=20).stdout
    assert (b"WELCOME" in greeting) == (login.shell != "sh")


def test_a_script_s_answer_is_its_own_in_every_login_shell(login: Login) -> None:
    node = Node("here", login)
    assert node.script('echo "it\'s $((1 + 1)) \\\\ !!"') == "it's 2 \\ !!\n"
    assert node.script("printf 'no newline'") == "no newline"
    assert node.script("echo early; exit 0; echo late") == "early\n"
    with pytest.raises(RemoteError, match="exit code 3"):
        node.script("exit 3")


def test_a_stream_begins_with_its_command_in_every_login_shell(login: Login) -> None:
    node = Node("here", login)
    stream = node._open("cat", b"GET / HTTP/1.1\n")
    try:
        assert stream.recv(100) == b"GET / HTTP/1.1\n"
    finally:
        stream.close()
        node.close()


class Forced(LocalConnection):
    """sshd runs a command of its own, whatever was sent."""

    def __init__(self, command: str) -> None:
        super().__init__()
        self.command = command

    def run(self, command: str, stdin: bytes, *, deadline: float) -> Completed:
        return super().run(self.command, stdin, deadline=deadline)

    def open(self, command: str, first: bytes) -> Stream:
        return super().open(self.command, first)


@pytest.mark.parametrize("command", [
    "echo only backups here", "echo only backups here; exit 1",
    "echo only backups here >&2; exit 254",
])  # fmt: skip
def test_what_has_not_run_is_an_error(command: str) -> None:
    """Also with exit code 0: nothing of it counts as done."""
    node = Node("here", Forced(command))
    for step in (lambda: node.script("touch /tmp/x"), lambda: node.docker_cli("version"),
                 lambda: node.docker_stream("system", "dial-stdio")):  # fmt: skip
        with pytest.raises(RemoteError) as caught:
            step()
        assert caught.value.brief == "here did not run what it was sent"
        assert "ForceCommand" in str(caught.value.resolution)
        assert caught.value.details == "only backups here"
    node.close()


def test_what_came_to_no_end_is_an_error() -> None:
    class Cut(LocalConnection):
        def run(self, command: str, stdin: bytes, *, deadline: float) -> Completed:
            done = super().run(command, stdin, deadline=deadline)
            return Completed(0, done.stdout[: done.stdout.index(b"half") + 4], b"")

    with pytest.raises(RemoteError, match="did not run"):
        Node("here", Cut()).script("echo half of it; echo and the rest")


def test_a_shell_that_prints_without_end_begins_no_stream() -> None:
    node = Node("here", Forced(f"head -c {NOISE * 2} /dev/zero"))
    with pytest.raises(RemoteError, match="did not run"):
        node.docker_stream("system", "dial-stdio")
    node.close()


@given(noise=st.binary(max_size=50), output=st.binary(max_size=50), after=st.binary(max_size=20))
def test_what_stands_between_the_marks_is_taken_as_it_is(
    noise: bytes, output: bytes, after: bytes
) -> None:
    marks = Marks("sparkctl-0123456789abcdef")
    said = noise + b"sparkctl-0123456789abcdef\n" + output + b"\nsparkctl-0123456789abcdef-end\n"
    cut = marks.cut(said + after)
    assert (cut.begun, cut.output, cut.ended) == (True, output, True)


def test_the_marks_are_printed_by_the_shell_that_runs_the_command() -> None:
    marks = Marks.new()
    done = subprocess.run(
        ["sh", "-c", marks.around("printf x; false")], capture_output=True, check=False
    )
    assert (done.returncode, marks.cut(done.stdout).output) == (1, b"x")
    assert marks.name != Marks.new().name
