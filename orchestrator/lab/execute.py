"""Commands on a node from outside, through the outer engine: not over SSH, always as root."""

import shlex
from collections.abc import Iterator
from contextlib import closing
from typing import IO, Any

from docker.models.containers import Container

from orchestrator.errors import LabError


def attempt(
    container: Container, *command: str, env: dict[str, str] | None = None
) -> tuple[int, str]:
    """Exit code and output (both streams) of a command on a node."""
    assert container.client is not None  # it comes from one
    api = container.client.api
    made = api.exec_create(container.id, list(command), environment=env)
    # `exec_run` reads from the bare socket, and so loses what came in one piece with the HTTP
    # headers and is in the buffer above it: on a busy computer that is all of a short output.
    socket: Any = api.exec_start(made["Id"], socket=True)
    with closing(socket), closing(socket._response) as response:
        output = b"".join(_frames(response.raw._fp.fp))
    code = api.exec_inspect(made["Id"])["ExitCode"]
    return int(code or 0), output.decode(errors="replace")


def _frames(stream: IO[bytes]) -> Iterator[bytes]:
    """What is in Docker's frames: 4 bytes of kind, 4 of length, the bytes."""
    while header := stream.read(8):
        yield stream.read(int.from_bytes(header[4:], "big"))


def run(container: Container, *command: str, env: dict[str, str] | None = None) -> str:
    """Output of a command on a node.

    Raises:
        LabError: its exit code is not 0.
    """
    code, text = attempt(container, *command, env=env)
    if code != 0:
        raise LabError(
            f"`{shlex.join(command)}` failed on {container.name} (exit code {code})", details=text
        )
    return text
