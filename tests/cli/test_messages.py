"""What sparkctl says to the mistakes that people make, as they see it. Data: messages.yaml."""

import re
import shlex
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.cli.conftest import Ran, Sparkctl
from tests.support.clusters import EXAMPLE, ROOT, changed
from tests.support.fakes import FakeCluster
from tests.support.generated import Generated
from tests.support.ssh_server import silent_server

CASES = yaml.safe_load((Path(__file__).parent / "messages.yaml").read_text(encoding="utf-8"))
HEAD = "apiVersion: sparkctl/v1\nkind: Cluster\nname: desk\n"
KEYS = {"row", "args", "files", "peer", "key", "site", "env", "only"}


def test_rows_are_told_apart() -> None:
    names = [case["row"] for case in CASES]
    assert len(set(names)) == len(names)
    assert all(set(case) <= KEYS for case in CASES)
    kept = {file.stem for file in (ROOT / "tests" / "golden" / "messages").iterdir()}
    assert kept == {name.partition(":")[0] for name in names}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["row"])
def test_the_message(
    case: dict[str, Any],
    sparkctl: Sparkctl,
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    generated: Generated,
) -> None:
    for name, value in case.get("env", {}).items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    if "site" in case:
        _differ(request.getfixturevalue("site"), case["site"])
    with peer(case.get("peer"), case.get("key"), tmp_path) as port:
        for name, text in case.get("files", {}).items():
            file = tmp_path / name
            file.parent.mkdir(exist_ok=True)
            file.write_text(text.replace("CLUSTER", HEAD).replace("PORT", port))
        args = case["args"].replace("STACKS", str(ROOT / "stacks"))
        ran = sparkctl(*shlex.split(args), file=EXAMPLE if "site" in case else None)
    text = _shown(case, ran, tmp_path, port)
    number = case["row"].partition(":")[0]
    generated(f"tests/golden/messages/{number}.txt", text)


def _shown(case: dict[str, Any], ran: Ran, folder: Path, port: str) -> str:
    output = ran.stdout + ran.stderr
    for found, name in ((str(folder), "HERE"), (str(ROOT), "SPARKCTL"), (port, "PORT")):
        output = output.replace(found, name) if found else output
    output = re.sub(r"SHA256:\S+", "SHA256:…", output)
    output = re.sub(r"\[Errno -\d+\].*", "(the resolver's words)", output)
    words = case.get("only", [""])
    lines = [line for line in output.splitlines() if any(word in line for word in words)]
    title = case["row"].partition(": ")[2]
    return "\n".join([f"# {title}", f"$ sparkctl {case['args']}", *lines, f"exit {ran.code}", ""])


def _differ(site: FakeCluster, machines: dict[str, dict[str, Any]]) -> None:
    for name, told in machines.items():
        site.machines[name].wants_password = told.pop("wants_password", False)
        site.machines[name].facts = changed(site.machines[name].facts, told)


@contextmanager
def peer(kind: str | None, mode: int | None, folder: Path) -> Iterator[str]:
    """What listens; yields its port."""
    if kind == "ssh":
        with silent_server() as server:
            server.user = "me" if mode is not None else None
            if mode is not None:
                server.key.write_private_key_file(str(folder / "key"))
                (folder / "key").chmod(int(str(mode), 8))
            yield str(server.port)
        return
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        if kind == "http":
            threading.Thread(target=_speak_http, args=(listening,), daemon=True).start()
        elif kind == "closed":
            listening.close()
        yield str(port) if kind else ""


def _speak_http(listening: socket.socket) -> None:
    connection, _ = listening.accept()
    with connection:
        connection.recv(100)
        connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
