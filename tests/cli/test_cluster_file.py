"""`-f/--file`: before or after any word; one file only; a command's own `-f` is its own."""

from pathlib import Path

import click
import pytest

from orchestrator.cli.cluster_file import pass_file
from orchestrator.cli.groups import Command, Ordered
from orchestrator.cli.main import cli
from tests.cli.conftest import Sparkctl
from tests.cli.test_main import below, commands

WITHOUT = ("stacks", "data", "explain", "completion", "lab")
"""Commands that read no cluster file, with all that is below them."""


def readers() -> list[tuple[str, ...]]:
    return [path for path in commands(cli) if not path or path[0] not in WITHOUT]


@pytest.mark.parametrize("path", readers(), ids=" ".join)
def test_every_command_that_reads_the_file_says_how_to_name_it(
    path: tuple[str, ...], sparkctl: Sparkctl
) -> None:
    shown = " ".join(sparkctl(*path, "--help", file=None).stdout.split())
    assert "--file FILE" in shown
    assert "The cluster file; default: $SPARKCTL_FILE, else cluster.yaml." in shown


@pytest.mark.parametrize(
    "words",
    [
        ("-f", "FILE", "cluster", "lock", "show"),
        ("cluster", "-f", "FILE", "lock", "show"),
        ("cluster", "lock", "-f", "FILE", "show"),
        ("cluster", "lock", "show", "-f", "FILE"),
        ("cluster", "lock", "show", "--file=FILE"),
        ("cluster", "plan", "-fFILE"),
        ("runs", "list", "--file", "FILE"),
        ("train", "-f", "FILE", "tiny-llama-lora"),
        ("train", "tiny-llama-lora", "-f", "FILE"),
        ("tensorboard", "last", "-f", "FILE"),
        ("-f", "FILE", "cluster", "-f", "FILE", "plan", "-f", "./FILE"),
    ],
    ids=" ".join,
)
def test_the_file_is_named_anywhere(words: tuple[str, ...], sparkctl: Sparkctl) -> None:
    ran = sparkctl(*words, file=None)
    assert ran.code == 3
    assert ran.stderr.startswith("error E100: FILE: there is no such cluster file\n")


@pytest.mark.parametrize(
    "words",
    [
        ("-f", "ONE", "cluster", "plan", "-f", "OTHER"),
        ("-f", "ONE", "cluster", "-f", "OTHER", "plan"),
        ("runs", "list", "-f", "ONE", "-f", "OTHER"),
    ],
    ids=" ".join,
)
def test_of_two_files_none_is_taken(words: tuple[str, ...], sparkctl: Sparkctl) -> None:
    """Silently taking one could change, or restore, the wrong machines."""
    ran = sparkctl(*words, file=None)
    assert (ran.code, ran.stdout) == (2, "")
    assert "Two cluster files are named: ONE and OTHER." in ran.stderr


def test_what_is_named_wins_over_the_environment(
    sparkctl: Sparkctl, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SPARKCTL_FILE", "FROM_ENVIRONMENT")
    assert "E100: FROM_ENVIRONMENT:" in sparkctl("cluster", "plan", file=None).stderr
    assert "E100: NAMED:" in sparkctl("cluster", "plan", "-f", "NAMED", file=None).stderr
    monkeypatch.setenv("SPARKCTL_FILE", "")
    assert "E100: cluster.yaml:" in sparkctl("cluster", "plan", file=None).stderr


def test_a_command_keeps_its_own_short_option() -> None:
    """As in `runs logs -f`, which follows."""
    seen: list[tuple[Path, bool]] = []

    @click.group(cls=Ordered, order=("logs",), examples=())
    def group() -> None: ...

    @group.command(examples=())
    @click.option("-f", "--follow", is_flag=True)
    @pass_file
    def logs(file: Path, follow: bool) -> None:
        seen.append((file, follow))

    for words in (["logs", "-f", "--file", "x"], ["logs", "--file", "x"]):
        group(words, standalone_mode=False)
    assert seen == [(Path("x"), True), (Path("x"), False)]
    assert isinstance(logs, Command)
    shown = logs.get_help(click.Context(logs))
    assert "-f, --follow" in shown and "\n  --file FILE" in shown


def test_nothing_else_takes_the_short_option() -> None:
    """Only where following is meant, as of logs everywhere."""
    own = [
        path
        for path in commands(cli)
        for param in _at(path).params
        if "-f" in param.opts and "--file" not in param.opts
    ]
    assert set(own) <= {("runs", "logs")}


def _at(path: tuple[str, ...]) -> click.Command:
    command: click.Command = cli
    for name in path:
        command = below(command)[name]
    return command
