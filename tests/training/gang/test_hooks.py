"""Who is told when a run has ended: real commands, and a real web server on this computer."""

import json
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pytest
from pydantic import ValidationError

from orchestrator.stack import deploy
from training.contract.verdict import Verdict
from training.gang import hooks
from training.gang.config import Hook

FAILED = Verdict(
    run="tiny-1", state="failed", rank=1, node="spark-b", message="it broke",
    step=5, attempts=1, ended="2026-11-25T00:00:00Z",
)  # fmt: skip
SUCCEEDED = Verdict(run="tiny-1", state="succeeded", step=60, attempts=1, ended="…")


class Ear(BaseHTTPRequestHandler):
    heard: ClassVar[list[tuple[str, Any]]] = []

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.heard.append((self.path, json.loads(body)))
        self.send_response(200 if self.path != "/refuses" else 403)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Nothing on the terminal."""


@pytest.fixture
def ear() -> Iterator[str]:
    """The address of a server that keeps what it hears."""
    Ear.heard.clear()
    with HTTPServer(("127.0.0.1", 0), Ear) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def told(verdict: Verdict, *given: Hook, secrets: Path = Path("/nowhere")) -> list[str]:
    said: list[str] = []
    hooks.run_hooks(given, verdict, {"KEY": "of the trainer"}, secrets, said.append)
    return said


def test_an_address_hears_the_verdict_and_a_line_for_people(ear: str) -> None:
    assert told(FAILED, Hook(url=f"{ear}/secret-path")) == ["hook: 127.0.0.1 answers 200"]
    ((path, body),) = Ear.heard
    assert path == "/secret-path"
    assert (body["state"], body["rank"], body["step"]) == ("failed", 1, 5)
    assert body["text"] == "tiny-1 failed at step 5: rank 1 on spark-b: it broke"


def test_only_who_asked_for_this_end_is_told(ear: str) -> None:
    assert told(SUCCEEDED, Hook(url=ear, on=("failed",)), Hook(url=ear, on=("stopped",))) == []
    assert len(told(SUCCEEDED, Hook(url=ear))) == len(Ear.heard) == 1


def test_an_address_that_is_a_secret(ear: str, tmp_path: Path) -> None:
    (tmp_path / "CHAT").write_text(f"{ear}/abc\n")
    assert told(FAILED, Hook(url_secret="CHAT"), secrets=tmp_path) == [
        "hook: 127.0.0.1 answers 200"
    ]
    assert Ear.heard[0][0] == "/abc"
    assert told(FAILED, Hook(url_secret="OTHER"), secrets=tmp_path) == [
        "hook: secret OTHER: No such file or directory"
    ]


def test_a_command_reads_the_verdict(tmp_path: Path) -> None:
    program = "import json,os,sys; print(json.load(sys.stdin)['state'], os.environ['KEY']); exit(3)"
    assert told(FAILED, Hook(command=(sys.executable, "-c", program))) == [
        "hook: failed of the trainer",
        f"hook: {sys.executable} ended with exit code 3",
    ]


def test_what_goes_wrong_is_told_and_nothing_more(
    ear: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hooks, "DEADLINE", 0.2)
    lines = told(
        FAILED,
        Hook(url=f"{ear}/refuses"),
        Hook(url="http://127.0.0.1:1/secret-path"),
        Hook(url="http://127.0.0.1:x/secret-path"),
        Hook(command=("no-such-program",)),
        Hook(command=(sys.executable, "-c", "import signal; signal.pause()")),
    )
    assert lines[:4] == [
        "hook: 127.0.0.1 was not notified: Forbidden",
        "hook: 127.0.0.1 was not notified: [Errno 111] Connection refused",
        "hook: 127.0.0.1 was not notified: InvalidURL",
        "hook: no-such-program: No such file or directory",
    ]
    assert lines[4] == f"hook: {sys.executable} did not end within 0 s"
    assert not any("secret-path" in line for line in lines)


@pytest.mark.parametrize("given", [{}, {"url": "http://x", "command": ["y"]}, {"url": "ftp://x"},
                                   {"url": "http://x", "on": []}])  # fmt: skip
def test_a_hook_is_one_thing(given: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Hook.model_validate(given)


def test_the_rank_that_tells_is_one_that_is_there() -> None:
    missing = FAILED.model_copy(update={"code": "rank_missing", "rank": 0})
    assert [hooks.reporter(one) for one in (SUCCEEDED, FAILED, missing)] == [0, 0, 1]


def test_slow_ones_run_side_by_side_and_end_with_all_that_they_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each of two waits for the other, so one after the other would never end."""
    one, two = tmp_path / "one", tmp_path / "two"
    meet = "touch {}; while [ ! -e {} ]; do sleep 0.01; done"
    lines = told(
        FAILED,
        Hook(command=("sh", "-c", meet.format(one, two))),
        Hook(command=("sh", "-c", meet.format(two, one))),
    )
    assert lines == ["hook: sh ended with exit code 0"] * 2

    monkeypatch.setattr(hooks, "DEADLINE", 0.2)
    began = time.monotonic()
    slow = Hook(command=("sh", "-c", f"sleep 600 & echo $! > {tmp_path}/child; wait"))
    assert told(FAILED, slow, slow, slow) == ["hook: sh did not end within 0 s"] * 3
    assert time.monotonic() - began < 60
    child = Path(f"/proc/{(tmp_path / 'child').read_text().strip()}/stat")
    while child.exists() and child.read_text().rpartition(")")[2].split()[0] != "Z":
        assert time.monotonic() - began < 60


def test_of_a_talkative_command_the_end_is_told() -> None:
    lines = told(FAILED, Hook(command=("seq", "1000")))
    assert len(lines) == 100
    assert lines[-2:] == ["hook: 1000", "hook: seq ended with exit code 0"]


def test_all_hooks_end_before_swarm_is_out_of_patience() -> None:
    assert hooks.DEADLINE + 5 < deploy._EXIT
