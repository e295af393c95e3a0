"""A copy of the tree with toys in it, and what its tests say of them."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

from tests.support.clusters import ROOT

_COPIED = (
    *("orchestrator", "templates", "stacks", "entrypoints", "training", "tests", "examples"),
    *("docs", "pyproject.toml", "LICENSE", "README.md", "CHANGELOG.md", "CONTRIBUTING.md"),
)
_QUICK = "not patient and not lab and not torch and not gang"


@dataclass(frozen=True)
class Outcome:
    """What a run of pytest came to."""

    passed: int
    red: tuple[str, ...]
    """Names of those that failed, as pytest gives them."""


def outcome_with(where: Path, toys: Mapping[str, str], *paths: str) -> Outcome:
    """Copy the tree to the empty folder `where`, write the toys there, and run tests of the copy.

    Toys are the texts of new files by path; all paths are relative to the root of the tree. Raises
    AssertionError when pytest itself did not get through.
    """
    for name in _COPIED:
        _copy(ROOT / name, where / name)
    for file, text in toys.items():
        assert not (where / file).exists(), "a toy is a new file"
        (where / file).write_text(text, encoding="utf-8")
    done = _pytest(where, paths)
    assert done.returncode in (0, 1), done.stdout + done.stderr
    cases = list(ElementTree.parse(where / "tested.xml").iter("testcase"))
    return Outcome(sum(len(case) == 0 for case in cases), tuple(_red(cases)))


def _copy(source: Path, target: Path) -> None:
    if source.is_dir():
        shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__", ".*"))
    else:
        shutil.copy(source, target)


def _pytest(where: Path, paths: tuple[str, ...]) -> subprocess.CompletedProcess[str]:
    """As if nobody tested around it; the package is that of the copy, in children of tests too."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    options = ["-q", "-p", "no:cacheprovider", "-m", _QUICK, "--assert=plain"]
    return subprocess.run(
        [sys.executable, "-m", "pytest", *options, "--junitxml", "tested.xml", *paths],
        cwd=where,
        env={**env, "PYTHONPATH": str(where), "HYPOTHESIS_PROFILE": "few"},
        capture_output=True,
        text=True,
        check=False,
    )


def _red(cases: list[ElementTree.Element]) -> Iterator[str]:
    for case in cases:
        if case.find("failure") is not None or case.find("error") is not None:
            yield str(case.get("name"))
