"""TensorBoard on the machine that has its files, shown on this computer.

It runs in a container of the training image, reads the run folders and can change nothing. It lives
as long as its standard input, which is a channel of our connection: when this computer goes away,
so does it.
"""

import shlex
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import PurePosixPath

from orchestrator.errors import ConnectError, RunError
from orchestrator.names import LABEL_RUN
from orchestrator.node.connection import Connection, Stream
from orchestrator.node.forward import forwarded
from orchestrator.node.node import Node
from orchestrator.templates import render_template
from training.contract.record import RankPlace

_PORT = 6006
_START = 60.0
"""Seconds until it must answer."""


@contextmanager
def tensorboard(
    node: Node, image: str, place: RankPlace, *, only: bool, port: int = 0
) -> Iterator[int]:
    """Serve the runs of rank 0's machine, or only this one, while the context lasts.

    Gives the port on this computer. Raises RunError when TensorBoard does not come up.
    """
    runs, run = PurePosixPath(place.folder).parent, PurePosixPath(place.folder).name
    owner = node.script(f"stat -c %u:%g {shlex.quote(place.folder)}", need="docker").strip()
    script = render_template("runs/tensorboard.sh.j2", port=_PORT)
    stream = node.docker_stream(
        "run", "--rm", "--interactive", f"--label={LABEL_RUN}={run}", f"--user={owner}",
        "--env=NVIDIA_VISIBLE_DEVICES=void", f"--volume={runs}:/runs:ro", "--entrypoint=sh",
        image, "-c", script, f"/runs/{run}" if only else "/runs",
    )  # fmt: skip
    try:
        address = _address(stream)
        with forwarded(node.connection, address, _PORT, here=port) as here:
            _wait_for_answer(node.connection, address, stream)
            yield here
    finally:
        stream.close()


def _address(stream: Stream) -> str:
    """The container's address, the first line that it prints."""
    stream.settimeout(_START)
    try:
        output = str(stream.makefile("rb").readline().decode()).strip()
    except TimeoutError:
        output = ""
    if not output:
        raise RunError(
            "the container of TensorBoard did not start",
            resolution="`docker run` with the training image on that machine shows why.",
        )
    return output


def _wait_for_answer(connection: Connection, address: str, stream: Stream) -> None:
    end = time.monotonic() + _START
    while not _answers(connection, address):
        if time.monotonic() > end:
            raise RunError(f"TensorBoard did not answer within {_START:.0f} s")
        stream.settimeout(0.2)
        try:
            output = stream.recv(4096)
        except TimeoutError:
            continue  # it lives
        raise RunError("TensorBoard ended", details=output.decode(errors="replace").strip())


def _answers(connection: Connection, address: str) -> bool:
    try:
        tunnel = connection.tunnel(address, _PORT)
    except ConnectError:
        return False
    try:
        tunnel.settimeout(5)
        tunnel.sendall(b"GET / HTTP/1.0\r\n\r\n")
        return tunnel.recv(64).split()[1:2] == [b"200"]
    except OSError:
        return False
    finally:
        tunnel.close()
