"""Commands that messages, help and documents name: there is each of them."""

import ast
import re
from pathlib import Path

import click
import pytest

from orchestrator.cli.main import cli
from tests.support.clusters import ROOT

SOURCES = [
    *sorted(ROOT.glob("orchestrator/**/*.py")),
    *sorted(ROOT.glob("training/**/*.py")),
    *sorted(ROOT.glob("docs/*.md")),
    *sorted(ROOT.glob("*.md")),
]
NAMED = re.compile(r"(?:`|\$ )sparkctl (?:-f \S+ )?([a-z]+)(?: ([a-z]+))?")
"""Where a command is meant; in prose sparkctl also does things."""
INSIDE = re.compile(r"sparkctl (cluster|runs|lab) (?!on\b)([a-z]+)")


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_command_that_is_named_is_there(path: Path) -> None:
    missing = [f"sparkctl {' '.join(words)}" for words in _named(_texts(path)) if not _known(words)]
    assert missing == []


def test_a_command_that_is_not_there_is_seen() -> None:
    said = "Bring files: `sparkctl model pull`; look at sparkctl runs sizes. Then sparkctl runs on."
    assert _named(said) == [["model", "pull"], ["runs", "sizes"]]
    assert not any(_known(words) for words in _named(said))
    assert _known(["train", "mine"]) and _known(["cluster", "up"]) and _known(["runs"])


def _texts(path: Path) -> str:
    """All of a document; of code the literals, those of an f-string without what is put in."""
    text = path.read_text(encoding="utf-8")
    if path.suffix != ".py":
        return text
    literals = [node.value for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Constant)]
    return "\n".join(literal for literal in literals if isinstance(literal, str))


def _named(text: str) -> list[list[str]]:
    flat = " ".join(text.split())
    found = [match for pattern in (NAMED, INSIDE) for match in pattern.findall(flat)]
    return [[word for word in words if word] for words in dict.fromkeys(found)]


def _known(words: list[str]) -> bool:
    """Whether these begin with a command: what follows one is an argument."""
    command: click.Command | None = cli
    for word in words:
        if not isinstance(command, click.Group):
            return command is not None
        command = command.get_command(click.Context(command), word)
    return command is not None
