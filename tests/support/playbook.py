"""The rows of docs/from-the-playbook.md and its translation, as data."""

import re
import shlex
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import click

from orchestrator.cli.main import cli
from tests.support.clusters import ROOT

PAGE = ROOT / "docs" / "from-the-playbook.md"
TRANSLATED = ROOT / "docs" / "ko" / "from-the-playbook.md"

WORDS = {
    "tested": ("tested", "시험됨"),
    "needs": ("needs the ", "필요: "),
    "setting": ("setting", "설정"),
    "not needed": ("not needed", "필요 없음"),
    "not yet": ("not yet", "아직 없음"),
}
"""How the status of a row begins, in English and in Korean."""


@dataclass(frozen=True)
class Row:
    """One step of a guide."""

    by_hand: str
    spans: tuple[str, ...]
    """Commands, or keys of the cluster or stack file."""
    status: str
    """A key of `WORDS`."""
    text: str

    @property
    def commands(self) -> tuple[str, ...]:
        return tuple(span for span in self.spans if span.startswith("sparkctl "))

    @property
    def keys(self) -> tuple[str, ...]:
        return tuple(span for span in self.spans if not span.startswith("sparkctl "))


@cache
def sections(page: Path = PAGE) -> tuple[tuple[Row, ...], ...]:
    """The tables with four columns, each with its rows."""
    found: list[tuple[Row, ...]] = []
    for part in page.read_text(encoding="utf-8").split("\n## ")[1:]:
        lines = [line for line in part.splitlines() if line.startswith("|")][2:]
        found.append(tuple(_row(line) for line in lines))
    return tuple(found)


def rows(page: Path = PAGE) -> list[Row]:
    """All of them, in order."""
    return [row for section in sections(page) for row in section]


def commands(*statuses: str) -> list[str]:
    """Every command of the rows of these statuses once, in order."""
    found = (c for row in rows() if row.status in statuses for c in row.commands)
    return list(dict.fromkeys(found))


def parsed(command: str) -> click.Context:
    """The command as the real command line reads it; nothing is done.

    Raises:
        click.UsageError: there is no such command, or it has no such option.
    """
    program, *words = shlex.split(command)
    assert program == "sparkctl"
    context = cli.make_context(program, words)
    while isinstance(context.command, click.Group):
        rest = [*context._protected_args, *context.args]
        name, below, rest = context.command.resolve_command(context, rest)
        assert below is not None
        context = below.make_context(name, rest, parent=context)
    return context


def _row(line: str) -> Row:
    cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
    assert len(cells) == 4, line
    by_hand, spans, status, text = cells
    (kind,) = (kind for kind, words in WORDS.items() if status.startswith(words))
    return Row(by_hand, tuple(re.findall(r"`([^`]+)`", spans)), kind, text)
