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
