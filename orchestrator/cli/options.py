"""Options that several commands share."""

from collections.abc import Callable
from typing import Any, TypeVar

import click

from orchestrator.cli import completing

F = TypeVar("F", bound=Callable[..., Any])


class CheckName(click.ParamType):  # type: ignore[type-arg]  # generic only since 8.5
    """The name of a check before a run. They are looked up when one is given."""

    name = "check"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Raises a usage error that lists them."""
        if value not in self._known():
            self.fail(f"{value!r} is not one of {', '.join(self._known())}.", param, ctx)
        return value

    def _known(self) -> list[str]:
        from orchestrator.api.checks import skippable  # they read what they look at

        return skippable()


def json_option(function: F) -> F:
    """`--json`, of a command that prints its result at the end"""
    return click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")(
        function
    )


def json_lines_option(function: F) -> F:
    """`--json`, of a command that prints events as they happen"""
    return click.option("--json", "as_json", is_flag=True, help="Print one JSON object per line.")(
        function
    )


def yes_option(function: F) -> F:
    """`--yes`"""
    return click.option("-y", "--yes", is_flag=True, help="Do not ask.")(function)


def end_others_option(function: F) -> F:
    """`--end-others`"""
    return click.option(
        "--end-others",
        is_flag=True,
        help="Also end or stop what is in Docker and not sparkctl's; --yes does not cover it.",
    )(function)


def repair_option(function: F) -> F:
    """`--repair`"""
    return click.option(
        "--repair",
        is_flag=True,
        help="First repair Docker engines and swarm memberships that sparkctl left broken.",
    )(function)


def skip_offline_option(function: F) -> F:
    """`--skip-offline`"""
    return click.option("--skip-offline", is_flag=True, help="Skip machines that do not answer.")(
        function
    )


def detach_option(function: F) -> F:
    """`--detach`"""
    return click.option("--detach", is_flag=True, help="Return as soon as the ranks are deployed.")(
        function
    )


def debug_option(function: F) -> F:
    """`--debug`"""
    return click.option(
        "--debug", is_flag=True, help="Verbose logging in torch, NCCL and accelerate."
    )(function)


def skip_check_option(function: F) -> F:
    """`--skip-check`"""
    return click.option(
        "--skip-check",
        "skip",
        multiple=True,
        type=CheckName(),
        shell_complete=completing.checks,
        help="Start although this check fails; repeatable. `sparkctl explain checks` has them.",
    )(function)


def run_argument(function: F) -> F:
    """`RUN`"""
    return click.argument("run", shell_complete=completing.runs)(function)
