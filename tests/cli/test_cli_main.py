"""The entry point: help, version, faults of our own, interruption."""

import sys

import click
import pytest

from orchestrator import __version__
from orchestrator.cli import asking
from orchestrator.cli.asking import ask_sudo_password, confirm
from orchestrator.cli.main import cli
from orchestrator.errors import DeclinedError
from tests.cli.conftest import Sparkctl


def commands(group: click.Command, *path: str) -> list[tuple[str, ...]]:
    """Every command and group."""
    below = group.commands if isinstance(group, click.Group) else {}
    return [path, *(p for name, sub in below.items() for p in commands(sub, *path, name))]


@pytest.mark.parametrize("path", commands(cli), ids=" ".join)
def test_every_command_explains_itself(path: tuple[str, ...], sparkctl: Sparkctl) -> None:
    ran = sparkctl(*path, "--help", file=None)
    assert ran.code == 0
    assert ran.stdout.startswith("Usage: ")
    assert len(ran.stdout.split("\n\n")[1].strip()) > 10, "no words about what it does"


def test_the_version(sparkctl: Sparkctl) -> None:
    assert sparkctl("--version", file=None).stdout == f"sparkctl, version {__version__}\n"


def test_stacks_are_listed_where_one_is_wanted(sparkctl: Sparkctl) -> None:
    assert "tiny-llama-lora" in sparkctl("train", "--help", file=None).stdout


def broken(*_: object) -> None:
    raise ZeroDivisionError("division by [red]zero")


def test_a_fault_of_our_own_is_said_to_be_one(
    sparkctl: Sparkctl, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("orchestrator.cli.reporting.load_cluster", broken)
    ran = sparkctl("cluster", "plan")
    assert ran.code == 1
    assert "a fault of sparkctl itself: ZeroDivisionError: division by [red]zero" in ran.stderr
    assert "SPARKCTL_DEBUG=1" in ran.stderr


def test_ctrl_c_is_no_error_of_ours(sparkctl: Sparkctl, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("orchestrator.cli.reporting.load_cluster", stop)
    ran = sparkctl("cluster", "plan")
    assert (ran.code, ran.stderr.strip()) == (130, "stopped")


class Terminal:
    """A standard input at which somebody sits."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(("answer", "goes_on"), [(True, True), (False, False)])
def test_a_person_is_asked(answer: bool, goes_on: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def prompt(question: str, **_: object) -> bool:
        asked.append(question)
        return answer

    monkeypatch.setattr(sys, "stdin", Terminal())
    monkeypatch.setattr(asking.click, "confirm", prompt)
    if goes_on:
        confirm("Change it?", yes=False)
    else:
        with pytest.raises(DeclinedError):
            confirm("Change it?", yes=False)
    assert asked == ["Change it?"]


def test_yes_asks_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", Terminal())
    monkeypatch.setattr(asking.click, "confirm", broken)
    confirm("Change it?", yes=True)


def test_the_password_is_asked_for_hidden_and_on_stderr(monkeypatch: pytest.MonkeyPatch) -> None:
    said: dict[str, object] = {}

    def prompt(question: str, **options: object) -> str:
        said.update(options)
        return "pw"

    monkeypatch.setattr(sys, "stdin", Terminal())
    monkeypatch.setattr(asking.click, "prompt", prompt)
    assert ask_sudo_password() == "pw"
    assert said == {"hide_input": True, "err": True}


def test_without_a_terminal_nobody_is_asked_for_a_password(sparkctl: Sparkctl) -> None:
    assert ask_sudo_password() is None
