"""docs/from-the-playbook.md: each command is one that the real command line takes.

What needs a model, or data, of the Hub is run as far as it goes without: with `--dry-run`, on two
Sparks out of their box, and with a token that is none. tests/lab/test_from_the_playbook.py runs the
others.
"""

import re
import shlex
from pathlib import Path

import click
import pytest

from orchestrator import assets
from orchestrator.errors import UnknownStackError
from orchestrator.spec.cluster import ClusterSpec
from orchestrator.spec.describe import keys_of
from orchestrator.spec.load import load_recipe, load_stack
from orchestrator.spec.stack import StackSpec
from tests.cli.conftest import Sparkctl
from tests.support.playbook import (
    PAGE,
    TRANSLATED,
    Row,
    commands,
    parsed,
    rows,
    sections,
)
from tests.support.recipes import SCRIPTS

KEYS = {key.path for spec in (ClusterSpec, StackSpec) for key in keys_of(spec)}
EVERY = commands("tested", "needs", "setting", "not needed", "not yet")


def fault(command: str) -> str | None:
    """Why the command line refuses it: an option, a stack or a setting that there is not."""
    try:
        context = parsed(command)
        if context.command.name == "train":
            given = context.params
            if not given["stack"].endswith(".yaml"):  # the name of a file, which a row before makes
                load_recipe(given["stack"], given["settings"])
    except (click.UsageError, UnknownStackError) as error:
        return str(error)
    return None


@pytest.mark.parametrize("command", EVERY)
def test_a_command_is_taken_as_it_stands(command: str) -> None:
    assert fault(command) is None


def fetch_the_scripts() -> None:
    """NVIDIA's, into the home of this test: empty ones."""
    for name in SCRIPTS:
        script = load_stack(name).script
        assert script is not None and script.folder is not None
        file = Path(script.folder).expanduser() / script.file
        assert Path.home() != Path("/root"), "it would be the home of a person"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()


@pytest.mark.parametrize("command", commands("needs"))
def test_what_needs_a_model_is_planned(
    command: str, sparkctl: Sparkctl, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_of_nobody")
    copied = assets.text("stacks/llama3-8b-lora.yaml")  # a row above has `stacks copy`
    (tmp_path / "mine.yaml").write_text(copied, encoding="utf-8")
    fetch_the_scripts()
    words = shlex.split(command)[1:]
    ran = sparkctl(*words, *([] if "--dry-run" in words else ["--dry-run"]))
    assert ran.code == 0, ran.stderr
    assert "spark-a" in ran.stdout


@pytest.mark.parametrize("row", rows(), ids=lambda row: row.by_hand)
def test_a_row_has_what_its_status_says(row: Row) -> None:
    assert row.by_hand
    if row.status in ("tested", "needs"):
        assert row.commands
        assert not row.keys
    elif row.status == "setting":
        assert row.keys
        assert set(row.keys) <= KEYS
        assert not row.commands
    else:
        assert not row.spans


def test_no_guide_is_left_out() -> None:
    assert [len(section) > 8 for section in sections()] == [True] * 6


def test_the_translation_has_the_same_rows() -> None:
    here, there = sections(PAGE), sections(TRANSLATED)
    assert [len(section) for section in there] == [len(section) for section in here]
    for row, other in zip(rows(PAGE), rows(TRANSLATED), strict=True):
        assert (other.spans, other.status) == (row.spans, row.status)
        assert bool(other.text) == bool(row.text), row.by_hand
        code = [sorted(re.findall(r"`([^`]+)`", one.by_hand)) for one in (row, other)]
        assert code[0] == code[1]
