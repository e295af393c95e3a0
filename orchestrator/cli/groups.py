"""Groups of commands: in order of use, with a suggestion for a mistyped name."""

from collections.abc import Mapping
from difflib import get_close_matches
from importlib import import_module
from typing import Any

import click


class Ordered(click.Group):
    """Lists its commands as `order` does, and suggests which one may have been meant."""

    def __init__(self, *args: Any, order: tuple[str, ...], **settings: Any) -> None:
        super().__init__(*args, **settings)
        self.order = order

    def list_commands(self, ctx: click.Context) -> list[str]:
        """In order of use, not of the alphabet: `down` is not the first thing to try."""
        return list(self.order)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Raises a usage error that names the nearest command, with every version of click."""
        name = args[0]
        if name not in self.order and (near := get_close_matches(name, self.order, n=1)):
            ctx.fail(f"No such command {name!r}. Did you mean {near[0]!r}?")
        return super().resolve_command(ctx, args)


class OneFileEach(Ordered):
    """Commands in modules of their own, which are read when one is asked for: that takes longest.

    `words` are the commands with the first line of their help, so that the list reads none of them.
    """

    def __init__(self, *args: Any, words: Mapping[str, str], **settings: Any) -> None:
        super().__init__(*args, order=tuple(words), **settings)
        self.words = words

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Of the module that has the command's name."""
        if cmd_name not in self.words:
            return None
        found: click.Command = getattr(import_module(f"orchestrator.cli.{cmd_name}"), cmd_name)
        return found

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The list in `--help`."""
        with formatter.section("Commands"):
            formatter.write_dl(list(self.words.items()))
