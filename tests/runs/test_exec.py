"""A command in a rank's container: Docker's API over one stream, spoken to by a stand-in of it."""

import json
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import docker.errors
import pytest

from orchestrator.errors import RemoteError, RunError
from orchestrator.node.local import _LocalStream
from orchestrator.runs import exec as command
from orchestrator.runs.exec import Streams, exec_in
from orchestrator.runs.run import Run
from orchestrator.stack.tasks import newest_tasks
from tests.runs.folders import RUN, Cluster, Engine, task

UPGRADED = b"HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n"
CONTAINER = "c0ffee" * 10


def frame(kind: int, data: bytes) -> bytes:
    return bytes([kind, 0, 0, 0]) + len(data).to_bytes(4) + data


@dataclass
class Dockerd(Engine):
    """An engine that starts one command. `says` is all that it answers, at once."""

    says: bytes = UPGRADED
    code: int | None = 0
    name: str = "spark-a"
    created: dict[str, Any] = field(default_factory=dict)
    sizes: list[tuple[int, int]] = field(default_factory=list)
    request: bytes = b""
    given: bytes = b""
    refuses: Exception | None = None
    api_version = "1.41"

    @property
    def docker(self) -> "Dockerd":
        return self

    def exec_create(self, container: str, cmd: list[str], **how: Any) -> dict[str, str]:
        if self.refuses is not None:
            raise self.refuses
        self.created = {"container": container, "cmd": cmd, **how}
        return {"Id": "e1"}

    def exec_resize(self, made: str, height: int, width: int) -> None:
        self.sizes.append((width, height))

    def exec_inspect(self, made: str) -> dict[str, Any]:
        return {"Running": self.code is None, "ExitCode": self.code}

    def docker_stream(self, *args: str) -> _LocalStream:
        assert args == ("system", "dial-stdio")
        ours, theirs = socket.socketpair()
        threading.Thread(target=self._serve, args=(theirs,), daemon=True).start()
        return _LocalStream(fileno=ours.detach())

    def _serve(self, theirs: socket.socket) -> None:
        theirs.settimeout(20)  # seconds
        with suppress(OSError), theirs, theirs.makefile("rb") as file:  # who calls may be gone
            while (line := file.readline()).strip():
                self.request += line
            self.request += b"\n" + file.read(int(self.request.split(b"Content-Length: ")[1][:2]))
            theirs.sendall(self.says)
            self.given = file.read()


@dataclass
class Caller:
    """Who calls: what it gives, and what it gets."""

    gives: list[bytes] = field(default_factory=list)
    got: bytes = b""
    errors: bytes = b""

    def streams(self, size: Callable[[], tuple[int, int]] | None = None) -> Streams:
        coming = iter([*self.gives, b""])
        return Streams(lambda: next(coming), self._write, self._complain, size)

    def _write(self, data: bytes) -> None:
        self.got += data

    def _complain(self, data: bytes) -> None:
        self.errors += data


def here(rank: int, state: str = "running") -> dict[str, Any]:
    return task(rank, state, ContainerStatus={"ContainerID": CONTAINER})


@pytest.fixture
def dockerd() -> Dockerd:
    return Dockerd(tasks_now=[here(0), here(1)])


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run(Cluster(tmp_path).record, {}, newest_tasks([here(0), here(1)])[RUN], {})


def ran(dockerd: Any, run: Run, *words: str, caller: Caller | None = None, **more: Any) -> int:
    return exec_in(dockerd, dockerd, run, 1, words, (caller or Caller()).streams(**more))


def test_words_go_as_words_and_both_outputs_stay_apart(dockerd: Dockerd, run: Run) -> None:
    dockerd.says += frame(1, b"out\x00\xff") + frame(2, b"err") + frame(1, b"")
    dockerd.code, caller = 7, Caller([b"in 1", b"in 2"])
    words = ("sh", "-c", 'echo "$(id)" $HOME; exit 7', "--", "a b")
    assert ran(dockerd, run, *words, caller=caller) == 7
    assert (caller.got, caller.errors) == (b"out\x00\xff", b"err")
    assert dockerd.created["container"] == CONTAINER
    assert dockerd.created["cmd"] == list(words)
    assert (dockerd.created["tty"], dockerd.created["stdin"]) == (False, True)
    assert "user" not in dockerd.created  # the container's own
    assert dockerd.request.startswith(b"POST /v1.41/exec/e1/start HTTP/1.1\r\n")
    assert json.loads(dockerd.request.rpartition(b"\n")[2]) == {"Detach": False, "Tty": False}


def test_what_is_given_arrives_with_its_end(dockerd: Dockerd, run: Run) -> None:
    given = threading.Event()
    serve = dockerd._serve

    def served(theirs: socket.socket) -> None:
        serve(theirs)
        given.set()

    dockerd._serve = served  # type: ignore[method-assign]
    dockerd.says += frame(1, b"x")
    got = Caller([b"in 1", b"in 2"])
    assert ran(dockerd, run, "cat", caller=got) == 0
    assert given.wait(10)
    assert dockerd.given == b"in 1in 2"


def test_a_terminal_gets_a_shell_its_size_and_bytes_as_they_come(
    dockerd: Dockerd, run: Run
) -> None:
    dockerd.says += b"\x1b[1mhello"
    caller = Caller()
    assert ran(dockerd, run, caller=caller, size=lambda: (80, 24)) == 0
    assert caller.got == b"\x1b[1mhello"
    assert dockerd.created["tty"] is True
    assert "exec bash" in dockerd.created["cmd"][2]


def test_another_size_is_told(dockerd: Dockerd, run: Run) -> None:
    sizes, told = iter([(80, 24), (132, 50)]), threading.Event()
    streams = Caller().streams(lambda: next(sizes))

    def resize(made: str, height: int, width: int) -> None:
        dockerd.sizes.append((width, height))
        if len(dockerd.sizes) == 2:
            told.set()

    dockerd.exec_resize = resize  # type: ignore[method-assign]
    with command._sized(dockerd, "e1", streams):  # type: ignore[arg-type]
        streams.resized.set()
        assert told.wait(10)
    assert dockerd.sizes == [(80, 24), (132, 50)]


def test_a_run_that_has_ended_has_no_container(dockerd: Dockerd, tmp_path: Path) -> None:
    ended = Run(Cluster(tmp_path).record, {}, (), {})
    with pytest.raises(RunError, match="has no containers: it is lost") as refused:
        ran(dockerd, ended, "id")
    assert f"sparkctl runs logs {RUN}" in str(refused.value.resolution)


@pytest.mark.parametrize("tasks", [[here(0)], [here(1, "preparing")], [task(1, "running")]])
def test_a_rank_without_a_container_at_the_moment(
    dockerd: Dockerd, run: Run, tasks: list[dict[str, Any]]
) -> None:
    dockerd.tasks_now = tasks
    with pytest.raises(RunError, match=r"rank 1 of .* has no container at the moment"):
        ran(dockerd, run, "id")


@pytest.mark.parametrize("status", [404, 409])
def test_a_container_that_has_just_ended(dockerd: Dockerd, run: Run, status: int) -> None:
    answer = type("Response", (), {"status_code": status, "url": "", "reason": ""})()
    dockerd.refuses = docker.errors.APIError("no such container", response=answer)
    with pytest.raises(RunError, match="it has just ended"):
        ran(dockerd, run, "id")


def test_docker_s_own_words_of_a_command_that_cannot_start(dockerd: Dockerd, run: Run) -> None:
    body = b'{"message":"exec: \\"nothing\\": executable file not found in $PATH"}'
    head = f"HTTP/1.1 400 Bad Request\r\nContent-Length: {len(body)}\r\n\r\n"
    dockerd.says = head.encode() + body
    with pytest.raises(RemoteError) as refused:
        ran(dockerd, run, "nothing")
    assert refused.value.details == 'exec: "nothing": executable file not found in $PATH'


def test_an_engine_that_answers_nothing_is_an_error(dockerd: Dockerd, run: Run) -> None:
    dockerd.says = b"nonsense\r\n\r\n"
    with pytest.raises(RemoteError, match="did not start the command"):
        ran(dockerd, run, "id")


def test_a_command_that_outlives_its_streams_is_said(
    dockerd: Dockerd, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command, "_CODE", 0.0)
    dockerd.code = None
    with pytest.raises(RunError, match="it still runs"):
        ran(dockerd, run, "sleep", "9")


def test_a_rank_that_the_run_does_not_have(run: Run) -> None:
    with pytest.raises(RunError, match="has no rank 2") as refused:
        run.place(2)
    assert refused.value.resolution == "It has ranks 0 to 1."
    assert run.place(1).node == "spark-b"
