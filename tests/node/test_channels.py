"""Channels of a server that opens them and then does not answer, or refuses them for a while."""

import socket
import threading
from collections.abc import Iterator

import paramiko
import pytest

from orchestrator.node.channels import AT_ONCE, Channels


class Server(paramiko.ServerInterface):
    """Lets everybody in. Commands are answered when `answers` is set."""

    def __init__(self) -> None:
        self.answers = threading.Event()
        self.refuses = 0
        """How many more channels it does not give."""
        self.asked = 0

    def check_auth_none(self, username: str) -> int:
        return paramiko.common.AUTH_SUCCESSFUL

    def check_channel_request(self, kind: str, chanid: int) -> int:
        self.asked += 1
        self.refuses -= 1
        if self.refuses >= 0:
            return paramiko.common.OPEN_FAILED_CONNECT_FAILED
        return paramiko.common.OPEN_SUCCEEDED

    def check_channel_exec_request(self, channel: paramiko.Channel, command: bytes) -> bool:
        self.answers.wait(20)
        return True


@pytest.fixture(scope="module")
def host_key() -> paramiko.PKey:
    return paramiko.ECDSAKey.generate()


@pytest.fixture
def server(host_key: paramiko.PKey) -> Iterator[tuple[Server, paramiko.Transport]]:
    ours, theirs = socket.socketpair()
    there, here = paramiko.Transport(theirs), paramiko.Transport(ours)
    interface = Server()
    there.add_server_key(host_key)
    try:
        there.start_server(threading.Event(), interface)
        here.start_client(timeout=20)
        here.auth_none("me")
        yield interface, here
    finally:
        interface.answers.set()
        here.close()
        there.close()
        ours.close()
        theirs.close()


def test_a_command_that_is_never_answered_has_an_end(
    server: tuple[Server, paramiko.Transport],
) -> None:
    channels = Channels(server[1], timeout=0.5)
    with pytest.raises(paramiko.SSHException, match=r"no answer within 0\.5 s"):
        channels.start("true", 10)
    server[0].answers.set()
    started = [channels.start("true", 10) for _ in range(AT_ONCE)]  # it took no place with it
    with pytest.raises(TimeoutError, match="all 8 channels were busy"):
        channels.start("true", 0.1)
    for channel in started:
        channel.close()


def test_a_channel_that_is_refused_is_asked_for_again(
    server: tuple[Server, paramiko.Transport],
) -> None:
    server[0].answers.set()
    server[0].refuses = 2
    Channels(server[1], timeout=20).start("true", 10).close()
    assert server[0].asked == 3


def test_a_channel_that_is_always_refused_is_given_up_and_takes_no_place(
    server: tuple[Server, paramiko.Transport],
) -> None:
    server[0].answers.set()
    server[0].refuses = 10**6
    channels = Channels(server[1], timeout=0.3)
    with pytest.raises(paramiko.SSHException):
        channels.start("true", 10)
    server[0].refuses = 0
    for channel in [channels.start("true", 10) for _ in range(AT_ONCE)]:
        channel.close()
