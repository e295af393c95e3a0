"""`sparkctl` in this process: arguments in, streams and exit code out; machines are fakes."""

import io
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from orchestrator.cli.main import main
from orchestrator.errors import SparkctlError
from orchestrator.node.keys import Unlocked
from orchestrator.node.login import Login
from tests.support.clusters import EXAMPLE, sparks, world_of
from tests.support.fakes import FakeCluster, FakeMachine


@dataclass(frozen=True)
class Ran:
    """What came of one command."""

    code: int
    stdout: str
    stderr: str


Sparkctl = Callable[..., Ran]


@pytest.fixture
def sparkctl(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> Sparkctl:
    """`sparkctl("cluster", "plan", file=…)`; without a terminal, in an empty folder and home."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    for name in (
        "SPARKCTL_FILE",
        "SPARKCTL_SUDO_PASSWORD",
        "SPARKCTL_DEBUG",
        "HF_TOKEN",
        "HF_HOME",
    ):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(sys, "stdin", io.StringIO())

    def run(*args: str, file: Path | str | None = EXAMPLE) -> Ran:
        head = [] if file is None else ["-f", str(file)]
        monkeypatch.setattr(sys, "argv", ["sparkctl", *head, *args])
        code: object = 0
        try:
            main()
        except SystemExit as ended:
            code = ended.code
        captured = capsys.readouterr()
        assert isinstance(code, int)
        assert "Traceback" not in captured.out + captured.err
        return Ran(code, captured.out, captured.err)

    return run


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> FakeCluster:
    """The two machines of the example, out of their boxes, in the place of SSH."""
    cluster = FakeCluster(world_of(sparks(2)))

    def ssh(login: Login, unlocked: Unlocked) -> FakeMachine:
        cluster.connected.append(login.node)
        refused: SparkctlError | None = cluster.refused.get(login.node)
        if refused is not None:
            raise refused
        return cluster.machines[login.node]

    monkeypatch.setattr("orchestrator.node.ssh.SshConnection", ssh)
    return cluster
