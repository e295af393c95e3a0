"""Commands as child processes."""

import contextlib
import os
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from orchestrator.errors import RemoteError
from orchestrator.lab.wait import until
from orchestrator.node.local import LocalConnection
from orchestrator.node.node import Node
from orchestrator.node.parallel import begin
from orchestrator.node.process_group import start
from tests.support.stand_ins import stand_in


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
    with pytest.raises(RemoteError, match=r"did not end within 0\.2 s"):
        node.script("true", deadline=0.2)


@pytest.fixture
def node() -> Node:
    return Node("here", LocalConnection())


def root_or_docker(node: Node) -> None:
    if os.geteuid() != 0:
        pytest.skip("needs a way to root that asks nobody")


def test_what_passed_its_deadline_is_dead_on_the_machine(node: Node, tmp_path: Path) -> None:
    """The error says that it is over; so is what the script has started, deaf ones too."""
    root_or_docker(node)
    script = f"sh -c 'trap : TERM; echo $$ >{tmp_path}/deaf; while :; do sleep 0.1; done' & wait"
    with pytest.raises(RemoteError, match="within 1 s") as caught:
        node.script(script, deadline=1)
    assert "The machine has ended it" in str(caught.value.details)
    deaf = Path(tmp_path, "deaf").read_text().strip()
    until(lambda: not alive(deaf), what="its end", deadline_seconds=20)


def test_a_machine_without_timeout_runs_its_scripts_all_the_same(
    node: Node, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root_or_docker(node)
    stand_in(tmp_path, "timeout", "exit 127")
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    assert node.script("echo done; exit 0") == "done\n"


@pytest.mark.parametrize("way", ["deadline", "close"])
def test_a_command_ends_with_all_that_it_has_started(way: str, tmp_path: Path) -> None:
    """Also when the connection is closed under it, as an interrupt does."""
    connection = LocalConnection()
    command = f"sleep 300 & echo $! >{tmp_path}/child; wait"
    running = begin(lambda: connection.run(command, b"", deadline=1 if way == "deadline" else 60))
    child = tmp_path / "child"
    until(lambda: child.exists() and child.read_text(), what="its start", deadline_seconds=20)
    if way == "close":
        connection.close()
        assert running.result(20).code != 0
    else:
        with pytest.raises(TimeoutError):
            running.result(20)
    until(lambda: not alive(child.read_text().strip()), what="its end", deadline_seconds=20)


def test_a_command_that_begins_while_the_connection_is_closed_ends_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    connection = LocalConnection()

    def started(*args: Any) -> subprocess.Popen[bytes]:
        child = start(*args)
        connection.close()
        return child

    monkeypatch.setattr("orchestrator.node.local.start", started)
    assert connection.run("exec sleep 300", b"", deadline=60).code != 0


def test_ctrl_c_at_the_terminal_does_not_reach_a_change() -> None:
    """It goes to the foreground's group, and children have a group and a session of their own."""
    said = LocalConnection().run("ps -o pgid=,sid= -p $$", b"", deadline=20).stdout.split()
    assert str(os.getpgrp()).encode() not in said
    assert str(os.getsid(0)).encode() not in said


def alive(pid: str) -> bool:
    """A zombie that nobody has waited for yet is not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state not in "ZX"


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
    popen = subprocess.Popen

    def ended(*args: Any, **options: Any) -> subprocess.Popen[bytes]:
        child = popen(*args, **options)
        child.wait(20)
        return child

    monkeypatch.setattr("orchestrator.node.process_group.subprocess.Popen", ended)
    connection = LocalConnection()
    with contextlib.closing(connection.open("exit 1", b"first\n")) as stream:
        assert stream.recv(1) == b""
    connection.close()
