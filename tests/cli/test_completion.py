"""Completion: what a shell is offered, and that nothing else reaches the terminal."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from orchestrator.api import seen_runs
from orchestrator.api.checks import skippable
from orchestrator.cli import completing
from orchestrator.cli.main import cli
from tests.cli.conftest import Sparkctl
from tests.support.clusters import EXAMPLE, ROOT


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.delenv("SPARKCTL_FILE", raising=False)
    return tmp_path


def offered(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *words: str
) -> list[str]:
    """For the last word, as bash asks."""
    typed = ["sparkctl", *words]
    monkeypatch.setenv("COMP_WORDS", " ".join(typed))
    monkeypatch.setenv("COMP_CWORD", str(len(typed) - 1))
    completing.answer(cli, "bash_complete")
    return [line.partition(",")[2] for line in capsys.readouterr().out.splitlines()]


CASES = [
    (("tr",), "train"),
    (("cluster", "lo"), "lock"),
    (("train", "tiny-llama-lora", "--dry"), "--dry-run"),
    (("train", "llama3-8b"), "llama3-8b-lora"),
    (("train", "./mi"), "./mine.yaml"),
    (("train", "sub/"), "sub/other.yaml"),
    (("train", "x", "--set", "training.optim.l"), "training.optim.lr="),
    (("train", "x", "--set", "training.optim.schedule=c"), "training.optim.schedule=cosine"),
    (("train", "x", "--skip-check", "di"), "disk"),
    (("runs", "show", "la"), "last"),
    (("runs", "compare", "last", "tiny"), "tiny-1"),
    (("tensorboard", "tiny"), "tiny-1"),
    (("runs", "logs", "last", "--rank", "1"), "1"),
    (("stacks", "copy", "qwen3"), "qwen3-8b-lora"),
    (("explain", "training.opt"), "training.optim"),
    (("explain", "E80"), "E801"),
    (("completion", "f"), "fish"),
]


@pytest.mark.parametrize(("words", "name"), CASES, ids=lambda value: " ".join(value))
def test_what_is_offered(
    words: tuple[str, ...],
    name: str,
    home: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (home / "cluster.yaml").write_bytes(EXAMPLE.read_bytes())
    (home / "mine.yaml").touch()
    (home / "sub").mkdir()
    (home / "sub" / "other.yaml").touch()
    seen_runs.remember(home / "cluster.yaml", ["tiny-1", "../../etc/passwd", "x\x1b[31m"])
    assert name in offered(monkeypatch, capsys, *words)


def test_all_of_them(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (home / "cluster.yaml").write_bytes(EXAMPLE.read_bytes())
    seen_runs.remember(home / "cluster.yaml", ["tiny-1", "../../etc/passwd", "x\x1b[31m"])
    assert offered(monkeypatch, capsys, "runs", "show", "") == ["last", "tiny-1"]
    assert offered(monkeypatch, capsys, "runs", "logs", "last", "--rank", "") == ["0", "1"]
    assert offered(monkeypatch, capsys, "train", "x", "--skip-check", "") == skippable()
    other = ("-f", "other.yaml", "runs", "show", "")
    assert offered(monkeypatch, capsys, *other) == ["last"], "runs of another cluster"


@pytest.mark.parametrize("file", [None, "nodes: [", "nodes: 1", "\x00"], ids=repr)
def test_whatever_is_wrong_is_no_answer(
    file: str | None,
    home: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    if file is not None:
        (home / "cluster.yaml").write_text(file, encoding="utf-8")
    (home / ".cache").touch()  # no folder
    assert offered(monkeypatch, capsys, "runs", "show", "") == ["last"]
    assert offered(monkeypatch, capsys, "runs", "logs", "last", "--rank", "") == []
    assert "tiny-llama-lora" in offered(monkeypatch, capsys, "train", "")
    assert capsys.readouterr().err == ""


def test_nothing_is_said_to_the_terminal(home: Path) -> None:
    """In a process of its own, which has no password to ask for and no file to read."""
    asked = {"_SPARKCTL_COMPLETE": "bash_complete", "COMP_CWORD": "5"}
    asked["COMP_WORDS"] = "sparkctl -f nowhere.yaml runs logs last --rank "
    done = subprocess.run(
        [sys.executable, "-m", "orchestrator"],
        env={**os.environ, **asked, "PYTHONPATH": str(ROOT)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    ("shell", "words"),
    [
        ("bash", "complete -o nosort -F"),
        ("zsh", "#compdef sparkctl"),
        ("fish", "complete --no-files"),
    ],
)
def test_the_scripts(shell: str, words: str, sparkctl: Sparkctl) -> None:
    ran = sparkctl("completion", shell, file=None)
    assert ran.code == 0
    assert words in ran.stdout and "_SPARKCTL_COMPLETE" in ran.stdout


def test_bash_takes_the_script(home: Path) -> None:
    """A real bash, and what it is offered for `sparkctl train tiny-llama-l`."""
    (home / "sparkctl").write_text(f'#!/bin/sh\nexec {sys.executable} -m orchestrator "$@"\n')
    (home / "sparkctl").chmod(0o755)
    script = (
        'eval "$(sparkctl completion bash)"; COMP_WORDS=(sparkctl train tiny-llama-l); '
        'COMP_CWORD=2; _sparkctl_completion sparkctl; echo "${COMPREPLY[@]}"'
    )
    done = subprocess.run(
        ["bash", "-c", script],
        env={**os.environ, "PATH": f"{home}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.stdout, done.stderr) == ("tiny-llama-lora\n", "")
