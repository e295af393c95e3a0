"""What messages and documents tell people to type exists: commands, files and keys."""

import ast
import re
import shlex
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import click
import pytest

from orchestrator.cli.main import cli
from orchestrator.engines.spec import EngineSpec
from orchestrator.spec.cluster import ClusterSpec
from orchestrator.spec.meant import paths_of
from orchestrator.spec.stack import StackSpec
from tests.support.clusters import ROOT

SOURCES = [
    path
    for folder in ("orchestrator", "training")
    for path in sorted((ROOT / folder).rglob("*.py"))
    if "__pycache__" not in path.parts
]
PAGES = [*sorted((ROOT / "docs").rglob("*.md")), ROOT / "README.md"]

GIVEN = "X"
"""Stands for a value that a message puts in."""
NO_ARGUMENT = re.compile(r"\s*(…|\.\.\.|\[.*?\]|\(.*?\))\s*")
"""What is left out."""
FIRST = "|".join(cli.list_commands(click.Context(cli)))
LOOSE = re.compile(rf"(?<![`\w/.-])sparkctl ((?:{FIRST})\b(?: [\w/.=-]+)*)")
TICKED = re.compile(r"`sparkctl ([^`\n]+)`")
FILE = re.compile(r"\b(?:docs|examples)/[\w/-]+\.\w+")
SECTIONS = "model|method|data|optim|parallel|loop|checkpoint|tracking"
KEY = re.compile(
    rf"(?<![\w./{{-])(?:training\.)?(?:{SECTIONS}|gang|container|paths|fabric|ssh|sudo)\.[a-z_]+"
    r"(?![\w(/.])"
)
NO_KEYS = {"model.safetensors", "docker.sock"}


@cache
def messages(path: Path) -> tuple[str, ...]:
    """The texts in a file of Python that are no descriptions."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    words = {
        id(node.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }
    return tuple(_texts(tree, words))


def _texts(node: ast.AST, words: set[int]) -> Iterator[str]:
    if isinstance(node, ast.JoinedStr):
        parts = [p.value if isinstance(p, ast.Constant) else GIVEN for p in node.values]
        yield "".join(map(str, parts))
        return
    if isinstance(node, ast.Constant):
        if isinstance(node.value, str) and id(node) not in words:
            yield node.value
        return
    for child in ast.iter_child_nodes(node):
        yield from _texts(child, words)


def told(path: Path) -> str:
    text = messages(path) if path.suffix == ".py" else (path.read_text(encoding="utf-8"),)
    return "\n\n".join(text)


def commands(path: Path) -> list[str]:
    """What somebody is told to type; a message may have it without backticks."""
    text = told(path)
    loose = LOOSE.findall(text) if path.suffix == ".py" else []
    return [*TICKED.findall(text), *(line.rstrip(" .") for line in loose)]


def ensure_understood(line: str) -> None:
    """Raise when the command line's own parser does not know it."""
    first = re.split(r" [|>] ", line, maxsplit=1)[0]  # of several, or into a file
    words = shlex.split(NO_ARGUMENT.sub(" ", first), comments=True)
    command: click.Command = cli
    while isinstance(command, click.Group):
        context = click.Context(command)
        if not words or words[0] == GIVEN:
            return  # a group as such, or any command of it
        if words[0].startswith("-"):
            _, words, _ = command.make_parser(context).parse_args(words)
            continue
        found = command.get_command(context, words[0])
        assert found is not None, f"`sparkctl {line}`: there is no {words[0]}"
        command, words = found, words[1:]
    _, rest, _ = command.make_parser(click.Context(command)).parse_args(list(words))
    assert not rest, f"`sparkctl {line}`: nobody takes {rest}"


@pytest.mark.parametrize("path", [*SOURCES, *PAGES], ids=lambda path: str(path.relative_to(ROOT)))
def test_commands_that_are_named_exist(path: Path) -> None:
    for line in commands(path):
        ensure_understood(line)


@pytest.mark.parametrize("line", ["model pull", "runs lst", "cluster up --force", "runs show a b"])
def test_a_command_that_does_not_exist_is_seen(line: str) -> None:
    with pytest.raises((AssertionError, click.UsageError)):
        ensure_understood(line)


def test_files_that_messages_name_are_there() -> None:
    named = {file for path in SOURCES for file in FILE.findall(told(path))}
    assert "docs/reference.md" in named
    assert [file for file in sorted(named) if not (ROOT / file).exists()] == []


def test_keys_that_messages_name_are_there() -> None:
    models = (ClusterSpec, StackSpec, EngineSpec)
    known = {path for model in models for path in paths_of(model)}
    known |= {path.removeprefix("training.") for path in known} | NO_KEYS
    known |= {path.removeprefix("nodes.") for path in known}
    named = {key: path for path in SOURCES for key in KEY.findall(told(path))}
    assert "loop.per_device_batch_size" in named
    assert {key: str(path) for key, path in named.items() if key not in known} == {}
