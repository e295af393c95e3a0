"""`-f/--file`: the cluster file, named before or after any word of the command."""

import os
from collections.abc import Callable, Iterable
from functools import update_wrapper
from pathlib import Path
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, TypeVar

import click

if TYPE_CHECKING:  # help needs no models
    from orchestrator.api.files import ClusterSpec

P = ParamSpec("P")
T = TypeVar("T")
F = TypeVar("F", bound=Callable[..., Any])

_SHORT, _LONG = "-f", "--file"
_NAMED = f"{__name__}.named"  # the key in a context's `meta`, which all levels share


def file_option(function: F) -> F:
    """The option alone, of a group: whoever reads the file is further down."""
    return click.option(
        _SHORT,
        _LONG,
        type=click.Path(path_type=Path),
        multiple=True,  # click would silently take the last
        expose_value=False,
        callback=_note,
        metavar="FILE",
        help="The cluster file; default: $SPARKCTL_FILE, else cluster.yaml.",
    )(function)


def pass_file(function: Callable[Concatenate[Path, P], T]) -> Callable[P, T]:
    """The option, and the name of the file as first argument."""

    def call(*args: P.args, **given: P.kwargs) -> T:
        return function(named_file(click.get_current_context()), *args, **given)

    return file_option(update_wrapper(call, function))


def pass_cluster(function: "Callable[Concatenate[ClusterSpec, P], T]") -> Callable[P, T]:
    """The option, and what the file says as first argument.

    It is read before the command begins, and so before SSH and Docker are imported.
    """

    def call(*args: P.args, **given: P.kwargs) -> T:
        from orchestrator.api.files import load_cluster

        return function(load_cluster(named_file(click.get_current_context())), *args, **given)

    return file_option(update_wrapper(call, function))


def named_file(context: click.Context) -> Path:
    """The cluster file of this command line."""
    named: list[Path] = context.meta.get(_NAMED, [])
    return named[0] if named else Path(os.environ.get("SPARKCTL_FILE") or "cluster.yaml")


def leave_short_to_others(params: Iterable[click.Parameter]) -> None:
    """A command with a `-f` of its own keeps it; the file is `--file` there."""
    ours = [param for param in params if _LONG in param.opts]
    if any(_SHORT in param.opts for param in params if param not in ours):
        for param in ours:
            param.opts = [name for name in param.opts if name != _SHORT]


def _note(context: click.Context, param: click.Parameter, files: tuple[Path, ...]) -> None:
    """One file, however often it is named: of two, one would be the wrong cluster."""
    named: list[Path] = context.meta.setdefault(_NAMED, [])
    named += files or ()
    if len(different := [str(file) for file in dict.fromkeys(named)]) > 1:
        raise click.UsageError(f"Two cluster files are named: {' and '.join(different)}.", context)
