"""docs/security.md: what was found is told once each, and every proof that it names is there."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

from tests.support.clusters import ROOT

PAGE = ROOT / "docs" / "security.md"
FOUND = [
    *(f"S{n}" for n in range(1, 11)),
    *(f"R{n}" for n in range(1, 11)),
    *(f"L{n}" for n in range(1, 11)),
    *(f"F{n}" for n in range(1, 6)),
]
ROWS = re.findall(r"^\| ([SRLF]\d+) \| (.+?) \| (.+) \|$", PAGE.read_text("utf-8"), re.M)
PROOF = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")


def test_everything_that_was_found_is_told_once() -> None:
    assert [name for name, _, _ in ROWS] == FOUND


@pytest.mark.parametrize(
    ("name", "outcome"), [(n, o) for n, _, o in ROWS], ids=lambda text: text[:4]
)
def test_what_became_of_it(name: str, outcome: str) -> None:
    """`fixed:` with tests that are there, `accepted:` with a reason."""
    word, _, rest = outcome.partition(": ")
    proofs = PROOF.findall(rest)
    assert word in ("fixed", "accepted"), name
    if word == "fixed":
        assert proofs, f"{name} names no test"
    if word == "accepted":
        assert len(rest.split()) >= 8, f"{name} has no reason"
    missing = [f"{path}::{test}" for path, test in proofs if test not in named_in(path)]
    assert not missing


def test_a_test_that_is_not_there_would_be_seen() -> None:
    here = "tests/test_security_page.py"
    assert "test_everything_that_was_found_is_told_once" in named_in(here)
    assert "named_in" not in named_in(here)
    assert named_in("tests/test_never_written.py") == frozenset()


@cache
def named_in(path: str) -> frozenset[str]:
    """Names of the tests in a file, read without running it."""
    file = Path(ROOT / path)
    if not file.exists():
        return frozenset()
    functions = (
        node
        for node in ast.walk(ast.parse(file.read_text("utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    )
    return frozenset(node.name for node in functions if node.name.startswith("test_"))
