"""Shell lies in files, all of it is sent by somebody, and shellcheck finds nothing in it."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator import assets
from orchestrator.templates import environment
from tests.support.clusters import ROOT
from tests.support.scripts import catalogue
from tests.support.shellcheck import MEANT, Finding, findings, is_meant, started
from tests.test_house import SOURCES

SHELL = re.compile(r"""\$[({@]|["']\$|2>/dev/null|\|\| | && |; do\b|; then\b""")
"""What no message for people has."""


@pytest.fixture(scope="module")
def found() -> list[Finding]:
    return findings(catalogue())


@pytest.mark.patient
def test_shellcheck_finds_nothing_but_what_is_meant(found: list[Finding]) -> None:
    assert [str(one) for one in found if not is_meant(one)] == []


def test_an_exception_that_nobody_needs_goes(found: list[Finding]) -> None:
    assert [one for one in MEANT if not any(is_meant(said, [one]) for said in found)] == []


def test_shellcheck_finds_what_is_wrong() -> None:
    (one,) = (
        one
        for one in findings({"toy": "set -e\nfor one in *; do rm -- $one; done\n"})
        if not is_meant(one)
    )
    assert (one.place, one.code) == ("toy:2", 2086)


def test_files_that_are_started_are_found() -> None:
    names = {path.name for path in started()}
    assert {"accelerate.sh", "demo.sh", "init"} <= names


def test_every_piece_of_shell_is_sent_by_somebody(monkeypatch: pytest.MonkeyPatch) -> None:
    """No template is left behind, and none is unknown to shellcheck."""
    read = set[str]()
    text = assets.text
    monkeypatch.setattr(assets, "text", lambda path: read.add(path) or text(path))
    environment.cache_clear()
    catalogue()
    there = {f"templates/{path}" for path in _shell_files(ROOT / "templates")}
    assert there - read == set()


def _shell_files(folder: Path) -> Iterator[Path]:
    return (path.relative_to(folder) for path in folder.rglob("*.sh*"))


@pytest.mark.parametrize(
    "path",
    [path for path in SOURCES if not path.is_relative_to(ROOT / "orchestrator/lab")],
    ids=lambda path: str(path.relative_to(ROOT)),
)
def test_shell_of_several_lines_lies_in_a_file(path: Path) -> None:
    """templates/, where shellcheck sees it; the lab, which is beside the house, has its own."""
    strings = _strings(ast.parse(path.read_text(encoding="utf-8")))
    assert [text for text in strings if len(_of_shell(text)) > 1] == []


def _of_shell(text: str) -> list[str]:
    return [line for line in text.split("\n") if SHELL.search(line)]


def _strings(tree: ast.Module) -> Iterator[str]:
    """All but docstrings; of an f-string its own text."""
    said = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            parts = [part.value for part in node.values if isinstance(part, ast.Constant)]
            yield "".join(str(part) for part in parts)
        elif isinstance(node, ast.Constant) and id(node) not in said:
            yield str(node.value)
