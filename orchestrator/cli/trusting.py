"""A recipe from elsewhere is asked about: `train --trust-recipe`."""

from collections.abc import Callable
from typing import Any, TypeVar

import click

from orchestrator.cli.asking import confirm
from orchestrator.spec.load import Recipe
from orchestrator.stack.powers import to_be_trusted
from orchestrator.ui.console import err

F = TypeVar("F", bound=Callable[..., Any])


def trust_option(function: F) -> F:
    """`--trust-recipe`"""
    return click.option(
        "--trust-recipe",
        "trust",
        is_flag=True,
        help="Do not ask what a recipe from elsewhere may do: files, hooks, …",
    )(function)


def trusted(recipe: Recipe, name: str, *, trust: bool) -> None:
    """Say what a recipe from elsewhere can do, and ask. Raises DeclinedError."""
    if not (powers := to_be_trusted(recipe)):
        return
    err().print(f"{name} is not a recipe of sparkctl's. Besides training it does this:")
    for power in powers:
        err().print(f"  {power.line}")
    confirm(f"Trust {name}?", yes=trust, option="--trust-recipe")
