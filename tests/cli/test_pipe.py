"""A reader that leaves early gets silence: real pipes, real processes."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import Sparkctl
from tests.support.clusters import EXAMPLE, ROOT

pytestmark = pytest.mark.patient

COMMANDS = [
    ("--help",),
    ("train", "--help"),
    ("stacks", "list"),
    ("stacks", "list", "--json"),
    ("stacks", "show", "llama3-8b-lora"),
    ("explain", "stack"),
    ("completion", "bash"),
    ("-f", str(EXAMPLE), "train", "tiny-llama-lora", "--dry-run"),
]


def run(folder: Path, *words: str, both: bool = False) -> subprocess.CompletedProcess[str]:
    """A command whose output nobody reads: its first write is told so."""
    reader, writer = os.pipe()
    os.close(reader)
    try:
        return subprocess.run(
            [sys.executable, "-m", "orchestrator", *words],
            cwd=folder,
            env={"PYTHONPATH": str(ROOT), "HOME": str(folder), "PATH": os.environ["PATH"]},
            stdin=subprocess.DEVNULL,
            stdout=writer,
            stderr=writer if both else subprocess.PIPE,
            text=True,
            check=False,
        )
    finally:
        os.close(writer)


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_nobody_reads_the_result(words: tuple[str, ...], tmp_path: Path) -> None:
    done = run(tmp_path, *words)
    said = [line for line in done.stderr.splitlines() if not line.startswith("note: ")]
    assert (done.returncode, said) == (141, [])


def test_nobody_reads_the_error_either(tmp_path: Path) -> None:
    assert run(tmp_path, "runs", "list", both=True).returncode == 141
    assert run(tmp_path, "explain", "nothing-of-that-name", both=True).returncode == 141


def test_an_error_stays_one_where_nobody_reads_the_result(tmp_path: Path) -> None:
    done = run(tmp_path, "runs", "list")
    assert done.returncode == 3
    assert done.stderr.startswith("error E100: cluster.yaml: there is no such cluster file\n")


def test_the_first_line_is_enough(tmp_path: Path) -> None:
    script = f"set -o pipefail; {sys.executable} -m orchestrator explain stack | head -1"
    done = subprocess.run(
        ["bash", "-c", script],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.stdout, done.stderr) == ("stack\n", "")
    assert done.returncode in (0, 141)  # head may be the slower one


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="Linux alone has it")
def test_a_full_disk_is_said(tmp_path: Path) -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "orchestrator", "stacks", "show", "tiny-llama-lora"],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert done.returncode == 1
    assert done.stderr.startswith("error E000: no space is left on this computer: ")
    assert "Traceback" not in done.stderr


def test_a_machine_that_breaks_off_is_no_reader_that_left(
    sparkctl: Sparkctl, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise BrokenPipeError(32, "Broken pipe")

    monkeypatch.setattr("orchestrator.api.files.load_cluster", broken)
    ran = sparkctl("cluster", "plan")
    assert (ran.code, "Broken pipe" in ran.stderr) == (1, True)
