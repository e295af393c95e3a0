"""A port of this computer that leads to one that a machine can reach, over its connection."""

import contextlib
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from orchestrator.errors import ConnectError
from orchestrator.node.connection import Connection, Pipe

_CHUNK = 65536
_POLL = 0.2  # seconds until the end of it is noticed


@contextmanager
def forwarded(connection: Connection, host: str, port: int, *, here: int = 0) -> Iterator[int]:
    """Listen on 127.0.0.1 and carry every connection to `host:port`; gives the port here.

    `here` 0: any free one. Raises ConnectError when that port is taken.
    """
    try:
        listener = socket.create_server(("127.0.0.1", here))
    except OSError as taken:
        raise ConnectError(
            f"port {here} of this computer is not free",
            details=taken.strerror,
            resolution="Name another one: --port, or --port 0 for any.",
        ) from None
    over = threading.Event()
    with listener:
        listener.settimeout(_POLL)
        accepting = threading.Thread(
            target=_accept, args=(listener, connection, host, port, over), daemon=True
        )
        accepting.start()
        try:
            yield listener.getsockname()[1]
        finally:
            over.set()
            accepting.join()


def _accept(
    listener: socket.socket, connection: Connection, host: str, port: int, over: threading.Event
) -> None:
    while not over.is_set():
        try:
            caller, _ = listener.accept()
        except OSError:  # nobody came; or the end
            continue
        caller.settimeout(None)
        threading.Thread(target=_carry, args=(caller, connection, host, port), daemon=True).start()


def _carry(caller: socket.socket, connection: Connection, host: str, port: int) -> None:
    with caller:
        try:
            there = connection.tunnel(host, port)
        except ConnectError:
            return  # the caller finds its connection closed
        there.settimeout(None)
        with contextlib.closing(there):
            back = threading.Thread(target=_pump, args=(there, caller), daemon=True)
            back.start()
            _pump(caller, there)
            back.join()


def _pump(source: "Pipe | socket.socket", target: "Pipe | socket.socket") -> None:
    """Until either side has ended; then both have."""
    with contextlib.suppress(OSError):
        while chunk := source.recv(_CHUNK):
            target.sendall(chunk)
    for end in (source, target):
        if isinstance(end, socket.socket):  # closing it would not wake up who reads from it
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        else:
            end.close()
