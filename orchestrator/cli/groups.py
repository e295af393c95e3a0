"""Commands and groups of commands: examples, order of use, a suggestion for a mistyped name."""

import textwrap
from collections.abc import Callable, Mapping, Sequence
from difflib import get_close_matches
from importlib import import_module
from typing import Any

import click

from orchestrator.cli.cluster_file import leave_short_to_others


class WithExamples(click.Command):
    """Whose `--help` ends with command lines to copy."""

    def __init__(
        self,
        *args: Any,
        examples: Sequence[str],
        more: Callable[[], str] | None = None,
        **settings: Any,
    ) -> None:
        """`more` gives a last paragraph, which is not worth its time before somebody reads it."""
        super().__init__(*args, **settings)
        self.examples, self.more = tuple(examples), more
        leave_short_to_others(self.params)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Examples stand as they are written: nobody copies a line that was wrapped."""
        with formatter.section("Examples"):
            formatter.write("".join(f"  {line}\n" for line in self.examples))
        if self.more is not None:
            formatter.write("\n" + textwrap.fill(self.more(), formatter.width) + "\n")


class Command(WithExamples):
    """A command that does something."""


class Ordered(WithExamples, click.Group):
    """Lists its commands as `order` does, and suggests which one may have been meant."""

    command_class = Command

    def __init__(self, *args: Any, order: tuple[str, ...], **settings: Any) -> None:
        super().__init__(*args, **settings)
        self.order = order

    def list_commands(self, ctx: click.Context) -> list[str]:
        """In order of use, not of the alphabet: `down` is not the first thing to try."""
        return list(self.order)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Says of an option that stands too early where it belongs: `runs --json list`."""
        try:
            return super().parse_args(ctx, args)
        except click.NoSuchOption as error:
            if self.has_below(ctx, error.option_name):
                ctx.fail(
                    f"No such option {error.option_name!r} here. It belongs after the command."
                )
            raise

    def has_below(self, ctx: click.Context, option: str) -> bool:
        """Whether a command of this group, or of one in it, has this option."""
        found = [one for name in self.order if (one := self.get_command(ctx, name))]
        return any(option in param.opts for one in found for param in one.params) or any(
            one.has_below(ctx, option) for one in found if isinstance(one, Ordered)
        )

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Raises a usage error that names the nearest command, with every version of click."""
        name = args[0]
        if name not in self.order and (near := get_close_matches(name, self.order, n=1)):
            ctx.fail(f"No such command {name!r}. Did you mean {near[0]!r}?")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The list in `--help`, with whole sentences."""
        with formatter.section("Commands"):
            formatter.write_dl(list(self.short_helps(ctx).items()))

    def short_helps(self, ctx: click.Context) -> Mapping[str, str]:
        """The first sentence of each command, in order."""
        found = {name: self.get_command(ctx, name) for name in self.order}
        return {name: one.get_short_help_str(1000) for name, one in found.items() if one}


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

    def short_helps(self, ctx: click.Context) -> Mapping[str, str]:
        """As they are written down: no module is read."""
        return self.words
