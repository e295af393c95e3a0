"""The whole Docker SDK over streams that we dial, with an engine of a few lines at their end."""

import contextlib
import json
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from orchestrator.artifacts.image import ImageRecipe, ensure_image
from orchestrator.errors import ConnectError, LockLostError, RemoteError
from orchestrator.names import LABEL_IMAGE
from orchestrator.node.connection import Stream
from orchestrator.node.docker_client import docker_over
from orchestrator.node.local import LocalConnection, _LocalStream
from orchestrator.node.node import Node
from orchestrator.testing.connection import FakeConnection


class Engine:
    """Answers requests on as many streams as are dialled; an old engine knows only its version."""

    def __init__(self, api_version: str = "1.52") -> None:
        self.api_version = api_version
        self.requests: list[str] = []
        self.headers: list[dict[str, str]] = []
        self.image: dict[str, str] | None = None
        """The labels of the one image that is there, whatever its name."""
        self.built: dict[str, str] = {}
        """The labels of the one that a build makes."""
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
                self._answer(engine.answer(self.path))

            def do_POST(self) -> None:
                if "Transfer-Encoding" in self.headers:
                    while size := int(self.rfile.readline(), 16):
                        self.rfile.read(size + 2)
                    self.rfile.readline()
                self._answer(engine.built_now())

            def _answer(self, answer: object) -> None:
                engine.requests.append(self.path)
                engine.headers.append(dict(self.headers))
                none = {"message": "No such image: it"}
                body = json.dumps(none if answer is None else answer).encode()
                self.send_response(404 if answer is None else 200)
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
        if "/images/" in path:
            labels = self.image
            return None if labels is None else {"Id": "sha256:abc", "Config": {"Labels": labels}}
        return []

    def built_now(self) -> object:
        """The answer to a build."""
        self.image = self.built
        return {"stream": "Successfully built abc"}

    @property
    def builds(self) -> int:
        """How many were asked for."""
        return sum("/build?" in path for path in self.requests)


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


RECIPE = ImageRecipe("nvcr.io/nvidia/pytorch:25.11-py3", b"")
OURS = {LABEL_IMAGE: RECIPE.digest}


def node_of(engine: Engine) -> Node:
    node = Node("spark-a", FakeConnection(lambda script: ""))
    node._docker = docker_over(engine.dial, "spark-a")
    return node


@pytest.mark.parametrize("config", [
    {"auths": {"registry.corp.example": {"auth": "YWxpY2U6czNjcmV0"}, "https://index.docker.io/v1/":
               {"auth": "YWxpY2U6czNjcmV0"}}, "HttpHeaders": {"X-Corp": "s3cret"},
     "proxies": {"default": {"httpProxy": "http://alice:s3cret@proxy:3128"}}},
    {"credsStore": "desktop"},
    {"credHelpers": {"nvcr.io": "gone"}, "auths": {}},
    {"auths": "nonsense"},
], ids=["logins", "store", "helper", "nonsense"])  # fmt: skip
def test_nothing_of_this_computer_s_docker_config_goes_to_a_node(
    engine: Engine, config: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "config.json").write_text(json.dumps(config))
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    monkeypatch.setenv("PATH", "")  # a helper of that name is not there
    engine.built = OURS
    node = node_of(engine)
    assert ensure_image(node, RECIPE, lambda line: None) == "sha256:abc"
    # Read to its end: a server whose client has gone cannot finish what it says.
    assert list(node.docker.api.pull("nvcr.io/nvidia/pytorch", tag="25.11-py3", stream=True))
    node.close()
    assert engine.builds == 1
    assert any("/images/create?" in path for path in engine.requests)
    for headers in engine.headers:
        assert not {name for name in headers if name.startswith(("X-Registry", "X-Corp"))}
    sent = repr(engine.requests) + repr(engine.headers)
    assert "s3cret" not in sent and "3128" not in sent and "YWxpY2U" not in sent


@pytest.mark.parametrize("labels", [None, {}, {LABEL_IMAGE: "other"}], ids=repr)
def test_an_image_that_only_has_the_name_is_built(
    engine: Engine, labels: dict[str, str] | None
) -> None:
    engine.image, engine.built = labels, OURS
    node = node_of(engine)
    ensure_image(node, RECIPE, lambda line: None)
    assert engine.builds == 1
    ensure_image(node, RECIPE, lambda line: None)
    assert engine.builds == 1
    node.close()


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


def test_a_change_is_looked_at_first_and_a_question_is_not(engine: Engine) -> None:
    """As while a lock is held: by the SDK's own objects too, which were made long before."""
    asked: list[str] = []

    def lost() -> None:
        asked.append("before a change")
        raise LockLostError("somebody took over")

    client = docker_over(engine.dial, "spark-a", lost)
    with contextlib.closing(client):
        client.info()
        assert asked == []
        for change in (client.swarm.leave, lambda: client.api.remove_service("one")):
            with pytest.raises(LockLostError):
                change()
    assert len(asked) == 2
    assert not any("/leave" in path or "services" in path for path in engine.requests)
