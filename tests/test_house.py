"""Rules of the house that no single file can see."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.clusters import ROOT

BIGGEST = 12 * 1024
SOURCES = sorted(
    path
    for folder in ("orchestrator", "training")
    for path in (ROOT / folder).rglob("*.py")
    if "__pycache__" not in path.parts
)


def run(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def test_imports_run_downwards() -> None:
    """The contracts in pyproject.toml."""
    code = (
        "from importlinter.cli import lint_imports as lint; raise SystemExit(lint(no_cache=True))"
    )
    done = run(sys.executable, "-c", code)
    assert done.returncode == 0, done.stdout
    assert "0 broken" in done.stdout


@pytest.mark.parametrize(
    ("command", "not_yet"),
    [
        *((command, ()) for command in ("cluster", "runs", "tensorboard", "lab")),
        ("train", ("docker", "requests", "orchestrator.lab", "orchestrator.reconcile.apply")),
    ],
)
def test_a_command_starts_without_what_it_does_not_need(
    command: str, not_yet: tuple[str, ...]
) -> None:
    """`train` speaks to the machines before it needs the Docker SDK, which takes its time."""
    heavy = (*not_yet, "torch", "transformers", "accelerate", "peft", "trl", "datasets", "numpy")
    code = (
        f"import sys, orchestrator.cli.main, orchestrator.cli.{command}\n"
        f"print(sorted(set(sys.modules) & set({heavy!r})))"
    )
    done = run(sys.executable, "-c", code)
    assert (done.stdout.strip(), done.stderr) == ("[]", "")


def test_help_reads_no_command_and_options_read_no_machinery() -> None:
    heavy = (
        "paramiko",
        "docker",
        "jinja2",
        "orchestrator.runs.",
        "orchestrator.doctor.",
        "orchestrator.node",
    )
    code = (
        "import sys, orchestrator.cli.options\n"
        "from orchestrator.cli.main import cli\n"
        "cli(['--help'], standalone_mode=False)\n"
        f"print([name for name in sys.modules if name.startswith({heavy!r})])"
    )
    done = run(sys.executable, "-c", code)
    assert (done.stdout.splitlines()[-1], done.stderr) == ("[]", "")


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_rooms_are_small_and_named_after_what_they_are_for(path: Path) -> None:
    assert path.stat().st_size <= BIGGEST
    assert path.stem not in ("utils", "util", "helpers", "misc", "common")


def test_the_median_room_is_small() -> None:
    sizes = sorted(path.stat().st_size for path in SOURCES if path.stat().st_size > 200)
    assert sizes[len(sizes) // 2] < 4 * 1024


def test_every_room_says_what_it_is_for() -> None:
    silent = [p for p in SOURCES if not p.read_text(encoding="utf-8").lstrip().startswith('"""')]
    assert [str(p.relative_to(ROOT)) for p in silent if p.stat().st_size] == []


def test_there_is_no_todo_left() -> None:
    marks = ("TODO", "FIXME", "XXX ")
    found = [p for p in SOURCES if any(mark in p.read_text(encoding="utf-8") for mark in marks)]
    assert [str(p.relative_to(ROOT)) for p in found] == []
