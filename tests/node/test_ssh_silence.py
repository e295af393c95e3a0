"""Machines that take a connection and say nothing, and ways that lead nowhere: all end in time."""

import contextlib
import os
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator.errors import ConnectError
from orchestrator.lab.wait import until
from orchestrator.node.login import Login
from orchestrator.node.ssh import SshConnection

pytestmark = pytest.mark.patient

PATIENCE = 0.5
ENDS_WITHIN = 20.0  # seconds; without a deadline it would be for ever


def login(port: int, tmp_path: Path, proxy_command: str | None = None) -> Login:
    return Login(
        "dark",
        "127.0.0.1",
        port,
        "me",
        (),
        (tmp_path / "known",),
        True,
        PATIENCE,
        agent="none",
        proxy_command=proxy_command,
    )


@contextlib.contextmanager
def server(says: bytes) -> Iterator[int]:
    """Takes connections, says this, and nothing more."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        taken: list[socket.socket] = []

        def serve() -> None:
            with contextlib.suppress(OSError):
                while True:
                    taken.append(listening.accept()[0])
                    taken[-1].sendall(says)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield int(listening.getsockname()[1])
        finally:
            listening.shutdown(socket.SHUT_RDWR)
            thread.join()
            for one in taken:
                one.close()


def refused(target: Login) -> ConnectError:
    began = time.monotonic()
    with pytest.raises(ConnectError) as caught:
        SshConnection(target)
    assert time.monotonic() - began < ENDS_WITHIN
    assert "ssh -p" in str(caught.value.resolution)
    return caught.value


@pytest.mark.parametrize("says", [b"", b"SSH-2.0-quiet\r\n", b"hello\r\n", b"HTTP/1.1 400\r\n\r\n"])
def test_a_server_that_stays_silent(says: bytes, tmp_path: Path) -> None:
    with server(says) as port:
        assert "cannot be reached" in refused(login(port, tmp_path)).brief


def test_nobody_listens(tmp_path: Path, free_port: int) -> None:
    assert "refused" in str(refused(login(free_port, tmp_path)).details)


@pytest.fixture
def free_port() -> Iterator[int]:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield held.getsockname()[1]


def test_a_name_that_cannot_be_one(tmp_path: Path) -> None:
    target = Login("dark", "a..b", 22, "me", (), (), False, PATIENCE)
    assert "a..b" in refused(target).brief


def test_a_proxy_command_that_hangs_is_ended_with_its_children(tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    command = f"sh -c 'sleep 600 & echo $! >{pid}; wait'"
    assert "silent" in str(refused(login(22, tmp_path, command)).details)
    child = int(pid.read_text())
    until(lambda: not _lives(child), what="the end of the command's child", deadline_seconds=10)


def test_a_proxy_command_that_fails_is_quoted(tmp_path: Path) -> None:
    error = refused(login(22, tmp_path, "sh -c 'echo no such door >&2; exit 1'"))
    assert "ProxyCommand: no such door" in str(error.details)


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return Path(f"/proc/{pid}/stat").read_text().split()[2] != "Z"
