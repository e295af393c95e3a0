"""Options that several commands share."""

from collections.abc import Callable
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])


def json_option(function: F) -> F:
    """`--json`"""
    return click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")(
        function
    )


def yes_option(function: F) -> F:
    """`--yes`"""
    return click.option("-y", "--yes", is_flag=True, help="Do not ask.")(function)


def repair_option(function: F) -> F:
    """`--repair`"""
    return click.option(
        "--repair",
        is_flag=True,
        help="First mend what sparkctl has made and Docker cannot live with.",
    )(function)


def skip_offline_option(function: F) -> F:
    """`--skip-offline`"""
    return click.option(
        "--skip-offline", is_flag=True, help="Leave out machines that do not answer."
    )(function)
