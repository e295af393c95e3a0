"""`.ci/python`: which interpreter the Makefile takes, and what becomes of an older environment.

The interpreters are stand-ins: a shell script that has a version, and makes environments.
"""

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.clusters import ROOT

STAND_IN = """#!/bin/sh
case $1 in
-c) case $2 in
    *exit*) [ {minor} -ge 11 ] ;;
    *print*) echo 3.{minor}.0 ;;
    esac ;;
-m) {venv} ;;
esac
"""
MAKES = (
    'mkdir -p "$3/bin"; cp "$0" "$3/bin/python"; touch "$3/pyvenv.cfg"; '
    'printf \'#!%s/%s/bin/python\\n\' "$PWD" "$3" >"$3/bin/pip"'
)


@dataclass(frozen=True)
class Computer:
    """A checkout on a computer with these interpreters."""

    checkout: Path
    programs: Path

    def has(self, name: str, minor: int, *, venv: str = MAKES) -> None:
        program = self.programs / name
        program.write_text(STAND_IN.format(minor=minor, venv=venv), encoding="utf-8")
        program.chmod(0o755)

    def make(self, **env: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["sh", ROOT / ".ci" / "python", ".venv"],
            cwd=self.checkout,
            env={"PATH": str(self.programs), **env},
            capture_output=True,
            text=True,
            check=False,
        )

    def made_with(self) -> str:
        """The version of the environment's Python."""
        program = self.checkout / ".venv" / "bin" / "python"
        return subprocess.check_output([program, "-c", "print"], text=True).strip()


@pytest.fixture
def computer(tmp_path: Path) -> Computer:
    """One without any Python, and nothing else than what the script needs."""
    programs = tmp_path / "programs"
    programs.mkdir()
    for name in ("sh", "touch", "rm", "head", "grep", "mkdir", "cp", "printf"):
        found = shutil.which(name)
        assert found is not None
        (programs / name).symlink_to(found)
    (tmp_path / "checkout").mkdir()
    return Computer(tmp_path / "checkout", programs)


def test_python3_is_taken_when_it_is_new_enough(computer: Computer) -> None:
    computer.has("python3", 12)
    computer.has("python3.14", 14)
    assert computer.make().returncode == 0
    assert computer.made_with() == "3.12.0"


def test_an_old_python3_is_passed_over(computer: Computer) -> None:
    computer.has("python3", 9)
    computer.has("python3.11", 11)
    assert computer.make().returncode == 0
    assert computer.made_with() == "3.11.0"


def test_the_one_that_is_named_is_taken(computer: Computer) -> None:
    computer.has("python3", 12)
    computer.has("mine", 13)
    assert computer.make(PYTHON="mine").returncode == 0
    assert computer.made_with() == "3.13.0"
    shutil.rmtree(computer.checkout / ".venv")
    assert "PYTHON=not-there is no Python" in computer.make(PYTHON="not-there").stderr


def test_without_any_it_says_what_to_install(computer: Computer) -> None:
    computer.has("python3", 9)
    done = computer.make()
    assert done.returncode == 1
    assert "python3 here is 3.9.0" in done.stderr
    assert "brew install python" in done.stderr
    assert not (computer.checkout / ".venv").exists()


def test_a_good_environment_is_left_as_it_is(computer: Computer) -> None:
    computer.has("python3", 12)
    computer.make()
    stamp = computer.checkout / ".venv" / ".python"
    before = stamp.stat().st_mtime_ns
    done = computer.make()
    assert (done.returncode, done.stderr) == (0, "")
    assert stamp.stat().st_mtime_ns == before


def test_one_of_an_older_makefile_is_kept_with_what_is_installed(computer: Computer) -> None:
    """The stamp must not be newer than `.controller`, or all would be installed again."""
    computer.has("python3", 12)
    computer.make()
    venv = computer.checkout / ".venv"
    (venv / ".python").unlink()
    os.utime(venv / "pyvenv.cfg", (1000, 1000))
    assert computer.make().returncode == 0
    assert (venv / ".python").stat().st_mtime == 1000


def test_ours_is_made_anew_when_its_python_is_too_old(computer: Computer) -> None:
    computer.has("python3", 12)
    computer.make()
    computer.has("python3.9", 9)
    shutil.copy(computer.programs / "python3.9", computer.checkout / ".venv" / "bin" / "python")
    installed = computer.checkout / ".venv" / ".controller"
    installed.touch()
    done = computer.make()
    assert done.returncode == 0
    assert "has Python 3.9.0: making it anew with python3" in done.stderr
    assert computer.made_with() == "3.12.0"
    assert not installed.exists()


def test_ours_is_made_anew_when_the_checkout_was_moved(computer: Computer) -> None:
    computer.has("python3", 12)
    computer.make()
    moved = Computer(
        computer.checkout.rename(computer.checkout.parent / "moved"), computer.programs
    )
    assert "was made in another folder" in moved.make().stderr
    assert str(moved.checkout) in (moved.checkout / ".venv" / "bin" / "pip").read_text("utf-8")


def test_somebody_elses_is_left_alone_and_the_reason_is_said(computer: Computer) -> None:
    computer.has("python3", 12)
    computer.has("python3.9", 9)
    theirs = computer.checkout / ".venv" / "bin"
    theirs.mkdir(parents=True)
    shutil.copy(computer.programs / "python3.9", theirs / "python")
    done = computer.make()
    assert done.returncode == 1
    assert ".venv has Python 3.9.0, and was not made by this Makefile" in done.stderr
    assert (theirs / "python").exists()


def test_one_that_could_not_be_made_leaves_nothing(computer: Computer) -> None:
    """Debian without python3-venv leaves half of an environment."""
    computer.has("python3", 12, venv='mkdir -p "$3/bin"; exit 1')
    done = computer.make()
    assert done.returncode == 1
    assert "python3-venv" in done.stderr
    assert not (computer.checkout / ".venv").exists()
