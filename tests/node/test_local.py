"""Commands as child processes."""

import contextlib
import subprocess
import time
from typing import Any

import pytest

from orchestrator.errors import RemoteError
from orchestrator.node.local import LocalConnection
from orchestrator.node.node import Node


def test_a_command_gets_its_input_and_gives_both_its_outputs() -> None:
    done = LocalConnection().run("cat; echo two >&2; exit 5", b"one", deadline=10)
    assert (done.code, done.stdout, done.stderr) == (5, b"one", b"two\n")


def test_a_command_that_does_not_end_is_given_up() -> None:
    began = time.monotonic()
    with pytest.raises(TimeoutError):
        LocalConnection().run("exec sleep 20", b"", deadline=0.1)
    assert time.monotonic() - began < 10


def test_a_script_past_its_deadline_is_a_remote_error() -> None:
    class Here(Node):
        def _run(self, command: str, stdin: bytes, **rest: object):  # type: ignore[no-untyped-def]
            return super()._run("sleep 20", stdin, **rest)  # type: ignore[arg-type]

    node = Here("here", LocalConnection())
    with pytest.raises(RemoteError, match="did not end"):
        node.script("true", deadline=0.2)


def test_a_stream_goes_both_ways_and_ends_with_the_connection() -> None:
    connection = LocalConnection()
    stream = connection.open("read a; echo got $a; exec cat", b"first\n")
    stream.settimeout(10)
    with contextlib.closing(stream), stream.makefile("rb") as answer:
        assert answer.readline() == b"got first\n"
        stream.sendall(b"second\n")
        assert answer.readline() == b"second\n"
        connection.close()
        assert answer.readline() == b""


def test_a_command_that_has_ended_at_once_is_a_stream_at_its_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As over SSH: writing to it is no fault, the next read says that it is over."""
    start = subprocess.Popen

    def ended(*args: Any, **options: Any) -> subprocess.Popen[bytes]:
        child = start(*args, **options)
        child.wait(20)
        return child

    monkeypatch.setattr("orchestrator.node.local.subprocess.Popen", ended)
    connection = LocalConnection()
    with contextlib.closing(connection.open("exit 1", b"first\n")) as stream:
        assert stream.recv(1) == b""
    connection.close()
