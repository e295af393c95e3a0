"""`--help`: examples that can be typed as they stand, whole sentences, in order of use."""

import shlex

import click
import pytest

from orchestrator.cli.groups import Ordered, WithExamples
from orchestrator.cli.main import cli
from orchestrator.lab import LabSpec
from tests.cli.conftest import Sparkctl
from tests.cli.test_main import below, commands


def at(path: tuple[str, ...]) -> click.Command:
    command: click.Command = cli
    for name in path:
        command = below(command)[name]
    return command


EVERY = commands(cli)


@pytest.mark.parametrize("path", EVERY, ids=" ".join)
def test_every_command_has_examples_that_are_of_it(path: tuple[str, ...]) -> None:
    command = at(path)
    assert isinstance(command, WithExamples)
    own = [line for line in command.examples if line.startswith(" ".join(("sparkctl", *path)))]
    assert own, command.examples
    assert len(set(command.examples)) == len(command.examples)


@pytest.mark.parametrize("path", EVERY, ids=" ".join)
def test_examples_are_shown_as_they_are_written(path: tuple[str, ...], sparkctl: Sparkctl) -> None:
    shown = sparkctl(*path, "--help", file=None).stdout
    command = at(path)
    assert isinstance(command, WithExamples)
    examples = shown.partition("\nExamples:\n")[2].splitlines()
    assert examples[: len(command.examples)] == [f"  {line}" for line in command.examples]
    assert max(len(line) for line in command.examples) <= 78


@pytest.mark.parametrize(
    "line", sorted({line for path in EVERY for line in getattr(at(path), "examples", ())})
)
def test_an_example_is_understood(line: str) -> None:
    program, *words = shlex.split(line.partition(" > ")[0], comments=True)
    assert program == "sparkctl"
    assert isinstance(parsed(words), click.Command)


@pytest.mark.parametrize("line", ["cluster pln", "runs show", "train x --dry", "cluster up now"])
def test_an_example_that_is_wrong_would_be_seen(line: str) -> None:
    with pytest.raises(click.UsageError):
        parsed(line.split())


def parsed(words: list[str]) -> click.Command:
    """The command that these words call, after its own parser has taken all of them."""
    context = cli.make_context("sparkctl", words)
    while isinstance(context.command, click.Group):
        rest = [*context._protected_args, *context.args]
        name, command, rest = context.command.resolve_command(context, rest)
        assert command is not None
        context = command.make_context(name, rest, parent=context)
    return context.command


@pytest.mark.parametrize(
    "path", [path for path in EVERY if isinstance(at(path), Ordered)], ids=" ".join
)
def test_no_sentence_of_a_list_is_cut_off(
    path: tuple[str, ...], sparkctl: Sparkctl, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    shown = sparkctl(*path, "--help", file=None).stdout
    listed = " ".join(shown.partition("\nCommands:\n")[2].partition("\n\n")[0].split())
    for name, command in below(at(path)).items():
        assert f"{name} {command.get_short_help_str(1000)}" in listed
    assert "..." not in listed


@pytest.mark.parametrize(
    "line",
    ["runs --json list", "--dry-run train x", "--diff cluster plan", "cluster lock -y break"],
)
def test_an_option_that_stands_too_early(line: str, sparkctl: Sparkctl) -> None:
    ran = sparkctl(*line.split(), file=None)
    assert ran.code == 2
    assert "It belongs after the command." in ran.stderr


def test_an_option_that_is_nowhere(sparkctl: Sparkctl) -> None:
    ran = sparkctl("runs", "--xyzzy", "list", file=None)
    assert (ran.code, "belongs" in ran.stderr) == (2, False)


def test_the_engine_of_the_lab_is_said_without_reading_the_lab(sparkctl: Sparkctl) -> None:
    shown = " ".join(sparkctl("lab", "up", "--help", file=None).stdout.split())
    assert f"{LabSpec.suite} (default)" in shown


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        (("--verison",), "--version"),
        (("train", "x", "--dry-rum"), "--dry-run"),
        (("cluster", "plan", "--dif"), "--diff"),
        (("cluster", "lock", "break", "--yess"), "--yes"),
        (("runs", "logs", "last", "--sinse", "10m"), "--since"),
        (("lab", "up", "--nods", "2"), "--nodes"),
    ],
)
def test_a_mistyped_option_gets_the_one_that_was_meant(
    words: tuple[str, ...], meant: str, sparkctl: Sparkctl
) -> None:
    ran = sparkctl(*words, file=None)
    assert ran.code == 2
    assert "Did you mean" in ran.stderr and meant in ran.stderr.partition("Did you mean")[2]
