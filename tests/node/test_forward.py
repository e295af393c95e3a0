"""A port here that leads elsewhere: real sockets on this computer."""

import socket
import threading
from collections.abc import Iterator

import pytest

from orchestrator.errors import ConnectError
from orchestrator.node.forward import forwarded
from orchestrator.node.local import LocalConnection

MUCH = bytes(range(256)) * 4000


@pytest.fixture
def echo() -> Iterator[int]:
    """A server that gives back what it is sent, to several callers at once."""
    listener = socket.create_server(("127.0.0.1", 0))

    def answer(caller: socket.socket) -> None:
        with caller:
            while chunk := caller.recv(65536):
                caller.sendall(chunk)

    def accept() -> None:
        while True:
            try:
                caller, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=answer, args=(caller,), daemon=True).start()

    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    yield listener.getsockname()[1]
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    thread.join(10)
    assert not thread.is_alive()


def call(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout=20)


def test_bytes_go_both_ways_for_several_callers(echo: int) -> None:
    with (
        forwarded(LocalConnection(), "127.0.0.1", echo) as port,
        call(port) as one,
        call(port) as other,
    ):
        for caller in (other, one):
            sender = threading.Thread(target=caller.sendall, args=(MUCH,))
            sender.start()
            got = b""
            while len(got) < len(MUCH):
                got += caller.recv(65536)
            sender.join()
            assert got == MUCH


def test_nobody_is_let_in_after_the_end(echo: int) -> None:
    with forwarded(LocalConnection(), "127.0.0.1", echo) as port:
        pass
    with pytest.raises(ConnectionRefusedError):
        call(port)


def test_other_computers_find_no_port(echo: int) -> None:
    """All of 127/8 is this computer, but 127.0.0.1 alone is listened on."""
    with (
        forwarded(LocalConnection(), "127.0.0.1", echo) as port,
        pytest.raises(OSError),
        socket.create_connection(("127.0.0.2", port), timeout=5),
    ):
        pass


def test_a_caller_whose_way_leads_nowhere_is_let_go() -> None:
    with socket.create_server(("127.0.0.1", 0)) as held:
        closed = held.getsockname()[1]
    with forwarded(LocalConnection(), "127.0.0.1", closed) as port, call(port) as caller:
        assert caller.recv(1) == b""


def test_a_port_that_is_taken(echo: int) -> None:
    with (
        pytest.raises(ConnectError, match=f"port {echo} of this computer is not free"),
        forwarded(LocalConnection(), "127.0.0.1", echo, here=echo),
    ):
        pass
