"""The entry point: help, version, faults of our own, interruption."""

import sys

import click
import pytest

from orchestrator import __version__
from orchestrator.cli import asking
from orchestrator.cli.asking import Terminal, confirm
from orchestrator.cli.groups import OneFileEach
from orchestrator.cli.main import cli
from orchestrator.errors import DeclinedError
from tests.cli.conftest import Sparkctl


def below(group: click.Command) -> dict[str, click.Command]:
    """The commands of a group, in the order in which they are listed; none of a command."""
    if not isinstance(group, click.Group):
        return {}
    context = click.Context(group)
    found = {name: group.get_command(context, name) for name in group.list_commands(context)}
    return {name: command for name, command in found.items() if command is not None}


def commands(group: click.Command, *path: str) -> list[tuple[str, ...]]:
    """Every command and group."""
    return [path, *(p for name, sub in below(group).items() for p in commands(sub, *path, name))]


GROUPS = [(), ("cluster",), ("cluster", "lock"), ("stacks",), ("data",), ("runs",), ("lab",)]


@pytest.mark.parametrize("path", commands(cli), ids=" ".join)
def test_every_command_explains_itself(path: tuple[str, ...], sparkctl: Sparkctl) -> None:
    ran = sparkctl(*path, "--help", file=None)
    assert ran.code == 0
    assert ran.stdout.startswith("Usage: ")
    assert len(ran.stdout.split("\n\n")[1].strip()) > 10, "no words about what it does"


def test_every_group_is_known_here() -> None:
    found = [path for path in commands(cli) if below(_at(path))]
    assert sorted(found) == sorted(GROUPS)


@pytest.mark.parametrize("path", GROUPS, ids=" ".join)
def test_a_group_lists_all_its_commands(path: tuple[str, ...], sparkctl: Sparkctl) -> None:
    """The order is written down beside them; what is missing there could not be called."""
    group = _at(path)
    assert isinstance(group, click.Group)
    assert set(group.commands) <= set(below(group))
    shown = sparkctl(*path, "--help", file=None).stdout.partition("\nCommands:\n")[2]
    listed = shown.partition("\n\n")[0].splitlines()
    names = [line.split()[0] for line in listed if line.startswith("  ") and line[2] != " "]
    assert names == list(below(group))


@pytest.mark.parametrize(
    ("path", "first", "last"),
    [
        ((), "cluster", "lab"),
        (("cluster",), "plan", "lock"),
        (("lab",), "up", "down"),
        (("runs",), "list", "rm"),
    ],
)
def test_commands_are_listed_in_order_of_use(path: tuple[str, ...], first: str, last: str) -> None:
    """Nobody shall meet `down` first."""
    names = list(below(_at(path)))
    assert (names[0], names[-1]) == (first, last)
    if path == ("cluster",):
        assert names == ["plan", "up", "status", "down", "lock"]


def test_the_list_of_commands_says_what_each_says_itself() -> None:
    """It is written down in one place more, so that it costs no imports."""
    assert isinstance(cli, OneFileEach)
    said = {name: command.get_short_help_str(200) for name, command in below(cli).items()}
    assert said == cli.words


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        (("trian",), "train"),
        (("clustr", "up"), "cluster"),
        (("cluster", "staus"), "status"),
        (("runs", "fetsch", "last"), "fetch"),
    ],
)
def test_a_mistyped_command_gets_the_one_that_was_meant(
    typed: tuple[str, ...], meant: str, sparkctl: Sparkctl
) -> None:
    ran = sparkctl(*typed, file=None)
    assert ran.code == 2
    assert f"Did you mean '{meant}'?" in ran.stderr


def test_what_is_near_to_nothing_gets_no_advice(sparkctl: Sparkctl) -> None:
    ran = sparkctl("xyzzy", file=None)
    assert ran.code == 2
    assert "No such command 'xyzzy'." in ran.stderr and "mean" not in ran.stderr


@pytest.mark.parametrize(
    ("command", "lines"),
    [
        (("train",), True),
        (("runs", "follow"), True),
        (("runs", "resume"), True),
        (("runs", "logs"), True),
        (("runs", "list"), False),
        (("cluster", "up"), False),
    ],
)
def test_help_says_what_json_will_print(
    command: tuple[str, ...], lines: bool, sparkctl: Sparkctl
) -> None:
    """docs/json.md: one document, or one object a line."""
    said = sparkctl(*command, "--help", file=None).stdout
    assert ("Print one JSON object per line." in said) == lines
    assert ("Print one JSON document." in said) != lines


def _at(path: tuple[str, ...]) -> click.Command:
    command: click.Command = cli
    for name in path:
        command = below(command)[name]
    return command


def test_the_version(sparkctl: Sparkctl) -> None:
    assert sparkctl("--version", file=None).stdout == f"sparkctl, version {__version__}\n"


def test_stacks_are_listed_where_one_is_wanted(sparkctl: Sparkctl) -> None:
    assert "tiny-llama-lora" in sparkctl("train", "--help", file=None).stdout


def broken(*_: object) -> None:
    raise ZeroDivisionError("division by [red]zero")


def test_a_fault_of_our_own_is_said_to_be_one(
    sparkctl: Sparkctl, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("orchestrator.api.files.load_cluster", broken)
    ran = sparkctl("cluster", "plan")
    assert ran.code == 1
    assert "a fault of sparkctl itself: ZeroDivisionError: division by [red]zero" in ran.stderr
    assert "SPARKCTL_DEBUG=1" in ran.stderr


def test_ctrl_c_is_no_error_of_ours(sparkctl: Sparkctl, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("orchestrator.api.files.load_cluster", stop)
    ran = sparkctl("cluster", "plan")
    assert (ran.code, ran.stderr.strip()) == (130, "stopped")


class Seat:
    """A standard input at which somebody sits."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(("answer", "goes_on"), [(True, True), (False, False)])
def test_a_person_is_asked(answer: bool, goes_on: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def prompt(question: str, **_: object) -> bool:
        asked.append(question)
        return answer

    monkeypatch.setattr(sys, "stdin", Seat())
    monkeypatch.setattr(asking.click, "confirm", prompt)
    if goes_on:
        confirm("Change it?", yes=False)
    else:
        with pytest.raises(DeclinedError):
            confirm("Change it?", yes=False)
    assert asked == ["Change it?"]


def test_yes_asks_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", Seat())
    monkeypatch.setattr(asking.click, "confirm", broken)
    confirm("Change it?", yes=True)


def test_the_password_is_asked_for_hidden_and_on_stderr(monkeypatch: pytest.MonkeyPatch) -> None:
    said: dict[str, object] = {}

    def prompt(question: str, **options: object) -> str:
        said.update(options)
        return "pw"

    monkeypatch.setattr(sys, "stdin", Seat())
    monkeypatch.setattr(asking.click, "prompt", prompt)
    assert Terminal().sudo_password() == "pw"
    assert said == {"hide_input": True, "err": True}


def test_without_a_terminal_nobody_is_asked_for_a_password(sparkctl: Sparkctl) -> None:
    assert Terminal().sudo_password() is None
