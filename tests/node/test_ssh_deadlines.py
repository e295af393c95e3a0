"""A connection to a real SSH server that starts commands and never answers."""

import contextlib
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator.errors import RemoteError
from orchestrator.node.handshake import dial, log_in
from orchestrator.node.login import Login, login_for
from orchestrator.node.node import Node
from orchestrator.node.ssh import SshConnection
from orchestrator.spec.load import load_cluster
from tests.support.ssh_server import silent_server

pytestmark = pytest.mark.patient

ENDS_WITHIN = 20.0  # seconds; without a deadline it would be for ever


@pytest.fixture
def login(tmp_path: Path) -> Iterator[Login]:
    with silent_server() as server:
        spec = load_cluster(server.cluster_file(tmp_path))
        yield login_for(spec.nodes[0], spec.ssh)


def test_a_command_that_never_answers_is_given_up_at_its_deadline(login: Login) -> None:
    with contextlib.closing(SshConnection(login)) as connection:
        began = time.monotonic()
        with pytest.raises(TimeoutError):
            connection.run("true", b"input", deadline=0.3)
        with pytest.raises(RemoteError, match="did not end within 1 s"):
            Node("spark-a", connection).script("true", deadline=1)
        assert time.monotonic() - began < ENDS_WITHIN


def test_a_way_that_is_cut_is_noticed(login: Login) -> None:
    """By keepalives, which the kernel gives up after a minute without an answer."""
    way = dial(login)
    with contextlib.closing(log_in(login, way, {})) as transport:
        waits = way.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT)
        assert waits == 60_000  # milliseconds
        assert transport.packetizer._Packetizer__keepalive_interval == 15
