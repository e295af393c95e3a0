"""Every command has a screen, and a screen is what a terminal shows."""

import shutil
import sys
from pathlib import Path

import pytest

from tests.screens.page import replaced
from tests.screens.scenario import (
    SCENARIO,
    Screen,
    commands,
    helps,
    of_no_command,
    without_a_screen,
)
from tests.screens.terminal import terminal
from tests.support.clusters import ROOT


def test_every_command_is_typed_and_every_line_is_a_command() -> None:
    """If this fails: a line in SCENARIO for the new command, at a place where it makes sense."""
    assert without_a_screen() == []
    assert of_no_command() == []


def test_a_command_without_a_line_is_found() -> None:
    left = [one for one in SCENARIO if not one.command.startswith("runs show")]
    assert without_a_screen(left) == ["runs show"]
    assert of_no_command([Screen("runs shout"), Screen("--version")]) == ["runs shout"]
    assert {f"{words} --help" for words in commands()} < {screen.command for screen in helps()}


def test_what_differs_is_replaced(tmp_path: Path) -> None:
    text = f"{tmp_path}/cluster.yaml tiny-llama-lora-c46b04 2026-12-01 18:14:37 (12.5 s)  \n"
    assert replaced(f"{text}tiny-llama\n-lora-c46b04\n$ \n\n", tmp_path) == (
        "~/cluster.yaml tiny-llama-lora-0a1b2c 2026-11-27 12:00:00 (0.1 s)\n"
        "tiny-llama\n-lora-0a1b2c"
    )


@pytest.mark.patient
@pytest.mark.skipif(shutil.which("tmux") is None, reason="tmux is not installed")
def test_a_real_terminal_shows_what_was_typed_and_what_came(tmp_path: Path) -> None:
    with terminal(80, tmp_path, sys.executable, ROOT) as here:
        lines = here.show(Screen("--version"), "--version").splitlines()
        assert lines[0] == "$ sparkctl --version"
        assert lines[1].startswith("sparkctl, version ")
        shown = here.show(Screen("cluster status"), "cluster status")
        assert "--version" not in shown and "cluster.yaml" in shown
        assert all(len(line) <= 80 for line in shown.splitlines())
