"""A copy of this tree with a toy in it, and the tests that turn red there."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

from tests.support.clusters import ROOT

_FOLDERS = ("orchestrator", "training", "templates", "stacks", "entrypoints", "examples", "docs",
            "tests")  # fmt: skip
_FILES = ("pyproject.toml", "LICENSE", "*.md")


def red_with(folder: Path, toys: dict[str, str], tests: list[str]) -> list[str]:
    """Names of the cases that fail in a copy made in `folder`, with these new files by path."""
    unwanted = shutil.ignore_patterns("__pycache__", ".*_cache", ".hypothesis", "_assets")
    for name in _FOLDERS:
        shutil.copytree(ROOT / name, folder / name, ignore=unwanted)
    for file in (file for pattern in _FILES for file in ROOT.glob(pattern)):
        shutil.copy(file, folder)
    for path, text in toys.items():
        assert not (folder / path).exists(), "a toy is a new file"
        (folder / path).write_text(text, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "--tb=line", "-p", "no:cacheprovider", *tests],
        cwd=folder, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode in (0, 1) and " passed" in done.stdout, done.stdout + done.stderr
    assert " error" not in done.stdout.splitlines()[-1], done.stdout
    return re.findall(r"^FAILED (\S+)", done.stdout, re.MULTILINE)
