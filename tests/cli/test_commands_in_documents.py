"""What a person would copy from a page: every `$ sparkctl …` is taken by the real command line."""

import re
import shlex
from pathlib import Path

import click
import pytest

from tests.support.clusters import ROOT
from tests.support.playbook import parsed

PAGES = [*sorted((ROOT / "docs").rglob("*.md")), ROOT / "README.md"]
SHOWN = [
    (page, shlex.join(words[words.index("sparkctl") :]))
    for page in PAGES
    for block in re.findall(r"^```console\n(.*?)^```", page.read_text("utf-8"), re.M | re.S)
    for line in re.findall(r"^\$ (.*)$", block, re.M)
    if "sparkctl" in (words := shlex.split(line, comments=True))
]


def test_there_are_commands() -> None:
    assert len({page for page, _ in SHOWN}) > 3


@pytest.mark.parametrize(
    ("page", "command"), SHOWN, ids=lambda given: given if isinstance(given, str) else given.stem
)
def test_a_command_of_a_page_is_taken(page: Path, command: str) -> None:
    try:
        parsed(command)
    except click.exceptions.Exit:  # --help, --version
        return
    except click.UsageError as error:
        pytest.fail(error.message)
