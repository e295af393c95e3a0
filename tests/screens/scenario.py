"""What is typed, in this order: every command, once in each width. A new command is a new line.

`python -m tests.screens` types it; `test_screens.py` fails for a command of the tree without one.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import click

from orchestrator.cli.main import cli


@dataclass(frozen=True)
class Screen:
    """One command and what a person does while it runs."""

    command: str
    """As it is typed; without its first word, which is `sparkctl`."""
    answers: tuple[tuple[str, str], ...] = ()
    """What is waited for on the screen, and what is typed then."""
    ctrl_c_at: str = ""
    """A command that does not end by itself: Ctrl-C when this is on the screen."""
    minutes: float = 5.0
    """It must have ended within."""


YES = (("[y/N]", "y"),)
LONG = "--set training.loop.max_steps=100000"

SCENARIO: tuple[Screen, ...] = (
    Screen("--version"),
    Screen("lab up --name {lab}", minutes=20),
    Screen("lab status --name {lab}"),
    Screen("cluster down --yes --delete-runs"),
    Screen("init --check-only"),
    Screen("completion bash"),
    Screen("stacks list"),
    Screen("stacks show tiny-llama-lora"),
    Screen("stacks copy tiny-llama-lora mine.yaml"),
    Screen("data check chats.jsonl --set data.held_out_rows=4"),
    Screen("explain lr"),
    Screen("explain not_one_gang"),
    Screen("cluster plan"),
    Screen("cluster up", YES),
    Screen("cluster status"),
    Screen("cluster lock show"),
    Screen("cluster lock break --yes"),
    Screen("runs list"),
    Screen("train tiny-llama-lora --dry-run"),
    Screen("train llama3-70b-lora --dry-run"),
    Screen("train tiny-llama-lora --set training.loop.max_step=1"),
    Screen("train tiny-llama-lora", minutes=20),
    Screen(f"train tiny-llama-full --detach {LONG}", minutes=20),
    Screen("runs follow last", ctrl_c_at="loss "),
    Screen("cluster status --watch", ctrl_c_at="step "),
    Screen("runs exec last --rank 1 -- cat /proc/1/comm"),
    Screen("runs stop last"),
    Screen("runs resume last --detach"),
    Screen("runs stop last"),
    Screen("runs list"),
    Screen("runs show tiny-llama-lora"),
    Screen("runs logs tiny-llama-lora --rank 1"),
    Screen("runs compare tiny-llama-lora tiny-llama-full"),
    Screen("runs fetch tiny-llama-lora"),
    Screen("runs rm tiny-llama-full", YES),
    Screen("runs show no-such-run"),
    Screen("tensorboard tiny-llama-lora --port 0", ctrl_c_at="Ctrl-C ends it"),
    Screen("cluster down --delete-runs", YES),
    Screen("lab down --name {lab}"),
)


def commands(group: click.Group = cli, before: str = "") -> Iterator[str]:
    """Every command that does something, by its words."""
    context = click.Context(group)
    for name in group.list_commands(context):
        words, command = f"{before} {name}".strip(), group.get_command(context, name)
        if isinstance(command, click.Group):
            yield from commands(command, words)
        else:
            yield words


def groups(group: click.Group = cli, before: str = "") -> Iterator[str]:
    """Every group by its words; the first, which is `sparkctl` itself, has none."""
    yield before
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if isinstance(command, click.Group):
            yield from groups(command, f"{before} {name}".strip())


def helps() -> list[Screen]:
    """`--help` of everything."""
    return [Screen(f"{words} --help".strip()) for words in (*groups(), *commands())]


def without_a_screen(screens: Sequence[Screen] = SCENARIO) -> list[str]:
    """Commands that no line types."""
    return [words for words in commands() if not any(_types(one, words) for one in screens)]


def of_no_command(screens: Sequence[Screen] = SCENARIO) -> list[str]:
    """Lines that type a command which is not there."""
    known = list(commands())
    return [
        one.command
        for one in screens
        if not one.command.startswith("-") and not any(_types(one, words) for words in known)
    ]


def _types(screen: Screen, words: str) -> bool:
    return re.match(rf"{words}( |$)", screen.command) is not None
