"""A command in the container of a rank, through Docker's API on the rank's own machine.

Not `docker exec` in a shell there: the words of the command stay data on the whole way, SSH needs
no terminal for it, and where Docker takes sudo, its password reaches nothing but sudo.
"""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

from orchestrator.errors import RunError
from orchestrator.node.connection import Stream
from orchestrator.node.docker_errors import translate_docker_errors
from orchestrator.node.docker_exec import start_exec
from orchestrator.node.node import Node
from orchestrator.node.parallel import begin
from orchestrator.runs.run import Run
from orchestrator.stack.tasks import newest_tasks, read_tasks
from orchestrator.templates import render_template

_CHUNK = 65536
_HEAD = 8
"""Bytes before each piece of output without a terminal: which of the two, and its length."""
_STDERR = 2
_TRIES = 50
"""Times that a size is told again: a program that is only starting has no terminal yet."""
_AGAIN = 0.1  # seconds between two of them
_CODE = 10.0
"""Seconds until Docker must know the exit code of a command whose streams have ended."""
_DETACH = "ctrl-^,ctrl-_,ctrl-^"
"""Docker's own keys for leaving take Ctrl-P from the shell; nobody types these."""


@dataclass(frozen=True)
class Streams:
    """Those of who calls."""

    read: Callable[[], bytes]
    """The next bytes for the command; none at their end. Called in a thread of its own."""
    write: Callable[[bytes], object]
    write_error: Callable[[bytes], object]
    size: Callable[[], tuple[int, int]] | None = None
    """Columns and rows of the terminal. None: there is none, and the two outputs stay apart."""
    resized: threading.Event = field(default_factory=threading.Event)
    """Set when the terminal has another size."""


def exec_in(
    manager: Node, node: Node, run: Run, rank: int, command: Sequence[str], streams: Streams
) -> int:
    """Run the command as the user of the rank's container until it ends; its exit code. None: a
    shell. `node`: the rank's.

    Raises RunError when there is no container, RemoteError when Docker does not start the command.
    """
    container, terminal = _container(manager, run, rank), streams.size is not None
    with translate_docker_errors(node.name), _gone(run.name, rank):
        made = node.docker.api.exec_create(
            container,
            list(command) or ["sh", "-c", render_template("runs/shell.sh.j2")],
            stdin=True,
            tty=terminal,
            environment={"TERM": "xterm-256color"} if terminal else None,
            detach_keys=_DETACH,
        )["Id"]
    stream = start_exec(node, made, terminal=terminal)
    try:
        with _sized(node, made, streams):
            begin(lambda: _feed(stream, streams.read))
            (_as_it_comes if terminal else _apart)(stream, streams)
    finally:
        stream.close()
    return _exit_code(node, made)


def _container(manager: Node, run: Run, rank: int) -> str:
    """Its ID, of Swarm's own task: a name or a label could be anybody's."""
    if not run.live and run.state != "unknown":
        raise RunError(
            f"{run.name} has no containers: it is {run.state}",
            resolution=f"What it left: sparkctl runs logs {run.name}, "
            f"sparkctl runs fetch {run.name}",
        )
    tasks = newest_tasks(read_tasks(manager, run.name)).get(run.name, ())
    task = next((task for task in tasks if task.rank == rank), None)
    if task is not None and task.state == "running" and task.container:
        return task.container
    raise _not_there(run.name, rank, f"its task is {task.state}" if task else "it has no task")


def _not_there(run: str, rank: int, why: str) -> RunError:
    return RunError(
        f"rank {rank} of {run} has no container at the moment: {why}",
        resolution=f"Try again in a few seconds. How the run stands: sparkctl runs show {run}",
    )


@contextmanager
def _gone(run: str, rank: int) -> Iterator[None]:
    """A container that has ended since it was looked up: Docker says 404, or 409."""
    try:
        yield
    except Exception as error:
        if getattr(error, "status_code", None) in (404, 409):
            raise _not_there(run, rank, "it has just ended") from None
        raise


def _feed(stream: Stream, read: Callable[[], bytes]) -> None:
    with suppress(OSError, EOFError):  # the command has ended, and its reader is told so
        while data := read():
            stream.sendall(data)
        stream.shutdown_write()


def _as_it_comes(stream: Stream, streams: Streams) -> None:
    while data := _received(stream, _CHUNK):
        streams.write(data)


def _received(stream: Stream, most: int) -> bytes:
    """Nothing when the stream, or the connection, is at its end: the exit code tells which."""
    try:
        return stream.recv(most)
    except (OSError, EOFError):
        return b""


def _apart(stream: Stream, streams: Streams) -> None:
    while len(head := _exactly(stream, _HEAD)) == _HEAD:
        write = streams.write_error if head[0] == _STDERR else streams.write
        left = int.from_bytes(head[4:])
        while left and (data := _received(stream, min(left, _CHUNK))):
            write(data)
            left -= len(data)


def _exactly(stream: Stream, size: int) -> bytes:
    """Fewer at its end."""
    data = b""
    while len(data) < size and (more := _received(stream, size - len(data))):
        data += more
    return data


@contextmanager
def _sized(node: Node, made: str, streams: Streams) -> Iterator[None]:
    """Meanwhile the program's terminal has the size of the one here."""
    over = threading.Event()

    def keep() -> None:
        tries = _TRIES
        while streams.size is not None and not over.is_set():
            columns, rows = streams.size()
            try:
                with translate_docker_errors(node.name):
                    node.docker.api.exec_resize(made, height=rows, width=columns)
                tries = 0
            except Exception:
                tries -= 1
            streams.resized.wait(_AGAIN if tries > 0 else None)
            streams.resized.clear()

    begin(keep)
    try:
        yield
    finally:
        over.set()
        streams.resized.set()


def _exit_code(node: Node, made: str) -> int:
    end = time.monotonic() + _CODE
    while True:
        with translate_docker_errors(node.name):
            told = node.docker.api.exec_inspect(made)
        if not told["Running"] and isinstance(told["ExitCode"], int):
            return told["ExitCode"]
        if time.monotonic() > end:
            raise RunError(
                "the streams of the command have ended, and it still runs",
                resolution="It ends with its container, at the latest when the run ends.",
                node=node.name,
            )
        time.sleep(_AGAIN)
