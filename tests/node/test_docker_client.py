"""The whole Docker SDK over streams that we dial, with an engine of a few lines at their end."""

import json
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from orchestrator.errors import ConnectError, RemoteError
from orchestrator.node.connection import Stream
from orchestrator.node.docker_client import docker_over
from orchestrator.node.local import LocalConnection, _LocalStream


class Engine:
    """Answers requests on as many streams as are dialled; an old engine knows only its version."""

    def __init__(self, api_version: str = "1.52") -> None:
        self.api_version = api_version
        self.requests: list[str] = []
        self.streams: list[Stream] = []
        self.threads: list[threading.Thread] = []

    def dial(self) -> Stream:
        ours, theirs = socket.socketpair()
        thread = threading.Thread(target=self._serve, args=(theirs,))
        thread.start()
        self.threads.append(thread)
        self.streams.append(_LocalStream(fileno=ours.detach()))
        return self.streams[-1]

    def close(self) -> None:
        for stream in self.streams:
            stream.close()
        for thread in self.threads:
            thread.join(20)

    def _serve(self, channel: socket.socket) -> None:
        engine = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                engine.requests.append(self.path)
                body = json.dumps(engine.answer(self.path)).encode()
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        with channel:
            Handler(channel, ("", 0), None)  # type: ignore[arg-type]

    def answer(self, path: str) -> object:
        if path.endswith("/version"):
            return {"ApiVersion": self.api_version, "Version": "29.2.1"}
        if path.endswith("/info"):
            return {"Swarm": {"NodeID": "abc"}}
        return []


@pytest.fixture
def engine() -> Iterator[Engine]:
    engine = Engine()
    yield engine
    engine.close()


@pytest.mark.parametrize("version", ["1.41", "1.52"])
def test_an_engine_is_spoken_to_in_its_own_version(engine: Engine, version: str) -> None:
    engine.api_version = version
    client = docker_over(engine.dial, "spark-a")
    assert client.info() == {"Swarm": {"NodeID": "abc"}}
    assert engine.requests == ["/version", f"/v{version}/info"]
    client.close()


def test_calls_share_a_stream(engine: Engine) -> None:
    client = docker_over(engine.dial, "spark-a")
    for _ in range(5):
        client.services.list()
    assert len(engine.streams) == 1
    client.close()


def test_proxies_of_this_computer_are_not_asked(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    client = docker_over(engine.dial, "spark-a")
    assert client.info()["Swarm"]["NodeID"] == "abc"
    assert not any("http://" in path for path in engine.requests)
    client.close()


@pytest.fixture
def connection() -> Iterator[LocalConnection]:
    connection = LocalConnection()
    yield connection
    connection.close()


def test_an_engine_that_hangs_up_is_named(connection: LocalConnection) -> None:
    with pytest.raises(
        RemoteError, match="the Docker Engine of spark-a refused, or does not answer"
    ):
        docker_over(lambda: connection.open("read first; exit 1", b"\n"), "spark-a")


def test_an_engine_that_talks_nonsense_is_named(
    connection: LocalConnection, tmp_path: Path
) -> None:
    (tmp_path / "said").write_text("bash: docker: command not found\n")
    command = f"read first; exec cat '{tmp_path}/said'"
    with pytest.raises(RemoteError, match="does not answer"):
        docker_over(lambda: connection.open(command, b"\n"), "spark-a")


def test_a_connection_that_is_gone_keeps_its_own_error() -> None:
    def gone() -> Stream:
        raise ConnectError("the SSH connection to spark-a is gone", node="spark-a")

    with pytest.raises(ConnectError, match="is gone"):
        docker_over(gone, "spark-a")
