"""A node's scripts over a connection that is told what to answer."""

import pytest

from orchestrator.errors import PasswordNeededError, RemoteError, SudoError
from orchestrator.node.connection import Completed
from orchestrator.node.escalate import NEEDS_PASSWORD, NEEDS_PASSWORD_FOR_ROOT, WRONG_PASSWORD
from orchestrator.node.node import Node
from orchestrator.testing.connection import FakeConnection


def wanting_a_password(code: int = NEEDS_PASSWORD, *, root: bool = False) -> FakeConnection:
    """A machine whose sudo wants a password; with `root` only for what is not Docker's."""

    def answer(script: str) -> Completed | str:
        asked = not connection.passwords[-1] and not (root and "docker.sock ]; then set" in
                                                      connection.commands[-1])  # fmt: skip
        return Completed(code, b"", b"") if asked else ""

    connection = FakeConnection(answer)
    return connection


def answering(reply: Completed | str, noise: str = "") -> Node:
    return Node("spark-a", FakeConnection(lambda script: reply, noise))


@pytest.mark.parametrize("noise", ["Welcome!\n", "no newline", "a\nb\n\n", "sparkctl-0123\n"])
def test_what_the_login_shell_says_is_cut_off(noise: str) -> None:
    assert answering("the output\n", noise).script("true") == "the output\n"


def test_the_script_travels_on_standard_input() -> None:
    connection = FakeConnection(lambda script: "")
    Node("spark-a", connection).script("touch /tmp/the-script")
    assert "the-script" in connection.scripts[0]
    assert "the-script" not in connection.commands[0]


def test_a_failing_script_shows_its_last_lines() -> None:
    many = "\n".join(f"line {n}" for n in range(40))
    with pytest.raises(RemoteError) as caught:
        answering(Completed(3, b"out", many.encode())).script("false")
    assert "exit code 3" in caught.value.brief
    assert str(caught.value.details).splitlines()[-1] == "line 39"
    assert len(str(caught.value.details).splitlines()) == 12
    assert caught.value.node == "spark-a"


def test_without_standard_error_the_output_is_shown() -> None:
    with pytest.raises(RemoteError) as caught:
        answering(Completed(1, b"said on stdout\n", b"")).script("false")
    assert caught.value.details == "said on stdout"


def test_a_failing_docker_command_is_named() -> None:
    with pytest.raises(RemoteError) as caught:
        answering(Completed(1, b"", b"no such thing")).docker_cli("stack", "rm", "it's")
    assert "docker stack rm 'it'\"'\"'s'" in caught.value.brief
    assert caught.value.details == "no such thing"


def test_a_deadline_is_a_remote_error() -> None:
    def late(script: str) -> str:
        raise TimeoutError

    with pytest.raises(RemoteError) as caught:
        Node("spark-a", FakeConnection(late)).script("wait for it", deadline=7)
    assert "within 7 s" in caught.value.brief
    assert "wait for it" not in str(caught.value.details)
    assert "did not end it: it may still run" in str(caught.value.details)


@pytest.mark.parametrize(
    ("code", "kind", "number"),
    [(NEEDS_PASSWORD, PasswordNeededError, "E301"), (WRONG_PASSWORD, SudoError, "E300")],
)
def test_the_wrapper_s_exit_codes_have_errors_of_their_own(
    code: int, kind: type[SudoError], number: str
) -> None:
    with pytest.raises(kind) as caught:
        answering(Completed(code, b"", b"")).script("true")
    assert (caught.value.code, caught.value.exit_code) == (number, 5)
    assert caught.value.resolution


def test_a_password_is_checked_once_and_never_in_a_command() -> None:
    connection = wanting_a_password()
    node = Node("spark-a", connection, sudo_password="s3cret word")
    node.script("first")
    node.script("second")
    node.docker_cli("version")
    assert connection.passwords == ["", *["s3cret word"] * 3]
    assert not any("s3cret" in text for text in connection.commands + connection.scripts)
    checks = [command.count("sudo -kS") for command in connection.commands]
    assert checks == [0, 2, 1, 1]


def test_docker_needs_no_password_where_its_socket_is_open() -> None:
    connection = wanting_a_password(NEEDS_PASSWORD_FOR_ROOT, root=True)
    node = Node("spark-a", connection, sudo_password="s3cret word")
    node.script("first")
    node.docker_cli("version")
    node.script("second", need="docker")
    assert connection.passwords == ["", "s3cret word", "", ""]


def test_a_stream_carries_the_password_in_its_first_line_alone() -> None:
    connection = wanting_a_password()
    with pytest.raises(RemoteError) as caught:
        _ = Node("spark-a", connection, sudo_password="s3cret word").docker
    assert "does not answer" in caught.value.brief
    assert "dial-stdio" in connection.opened[0]
    assert "sudo -kS" in connection.opened[0]
    assert "s3cret" not in connection.opened[0]
    assert connection.passwords == ["", "s3cret word"]  # a stream tells no exit code: asked before


def test_a_stream_needs_no_question_where_no_password_is_known() -> None:
    connection = FakeConnection(lambda script: "")
    with pytest.raises(RemoteError):
        _ = Node("spark-a", connection).docker
    assert connection.commands == []


def test_closing_ends_the_connection() -> None:
    connection = FakeConnection(lambda script: "")
    Node("spark-a", connection).close()
    assert connection.closed


def test_a_node_does_not_show_its_password_by_accident() -> None:
    node = Node("spark-a", FakeConnection(lambda script: ""), sudo_password="s3cret")
    assert "s3cret" not in repr(node)
