"""The streams of a command that runs in a container: one HTTP request that becomes a byte stream.

The Docker SDK reads the answer through a buffer, and what the command prints at once would be lost
in it. Here the head of the answer is read byte by byte, by the standard library.
"""

import http.client
import io
import json
from typing import Any, cast

from orchestrator.errors import RemoteError
from orchestrator.node.connection import Stream
from orchestrator.node.node import Node

_DEADLINE = 60.0  # seconds for Docker to start the command


def start_exec(node: Node, made: str, *, terminal: bool) -> Stream:
    """Start the exec of this ID. Gives its standard input, and its output as Docker sends it.

    Raises RemoteError when Docker refuses.
    """
    version = node.docker.api.api_version
    body = json.dumps({"Detach": False, "Tty": terminal}).encode()
    head = (
        f"POST /v{version}/exec/{made}/start HTTP/1.1\r\n"
        "Host: docker\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    stream = node.docker_stream("system", "dial-stdio")
    try:
        stream.settimeout(_DEADLINE)
        stream.sendall(head.encode() + body)
        _require_started(node, stream)
        stream.settimeout(None)
    except BaseException:
        stream.close()
        raise
    return stream


def _require_started(node: Node, stream: Stream) -> None:
    answer = http.client.HTTPResponse(cast(Any, _Socket(stream)), method="POST")
    try:
        answer.begin()
        if answer.status in (http.client.SWITCHING_PROTOCOLS, http.client.OK):
            return
        why = answer.read().decode(errors="replace").strip()
    except (http.client.HTTPException, OSError) as error:
        why = str(error) or type(error).__name__
    raise RemoteError(
        f"the Docker Engine of {node.name} did not start the command",
        details=_message(why),
        resolution="On the machine: `systemctl status docker`, `journalctl -u docker -n 50`.",
        node=node.name,
    )


def _message(answer: str) -> str:
    try:
        return str(json.loads(answer)["message"])
    except (ValueError, KeyError, TypeError):
        return answer


class _Socket:
    """As much of a socket as http.client wants."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream

    def makefile(self, *_: object) -> io.RawIOBase:
        return _Unbuffered(self._stream)


class _Unbuffered(io.RawIOBase):
    """Reads what it is asked for and not a byte more; closing it closes nothing."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:
        data = self._stream.recv(len(buffer))
        buffer[: len(data)] = data
        return len(data)
