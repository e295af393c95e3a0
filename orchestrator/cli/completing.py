"""What a shell is told when somebody presses Tab: names, never an error, never a question."""

import os
import sys
from collections.abc import Callable, Iterable
from contextlib import redirect_stderr, suppress
from functools import wraps
from pathlib import Path
from typing import TypeAlias

import click
from click.shell_completion import CompletionItem, shell_complete

from orchestrator.cli.cluster_file import named_file

VARIABLE = "_SPARKCTL_COMPLETE"
"""Set by the script of `sparkctl completion`; click reads what the shell asks from others."""

Complete: TypeAlias = Callable[[click.Context, click.Parameter, str], list[CompletionItem]]


def answer(program: click.Command, instruction: str) -> None:
    """Print what fits. Whatever goes wrong is no answer: the line is still being typed."""
    with suppress(Exception), Path(os.devnull).open("w") as nowhere, redirect_stderr(nowhere):
        shell_complete(program, {}, "sparkctl", VARIABLE, instruction)
        sys.stdout.flush()


def _fitting(
    names: Callable[[click.Context, str], Iterable[str | tuple[str, str]]],
) -> Complete:
    """Of these names, or names with a word about each, those that begin as what was typed."""

    @wraps(names)
    def complete(
        context: click.Context, param: click.Parameter, typed: str
    ) -> list[CompletionItem]:
        pairs = [(one, None) if isinstance(one, str) else one for one in names(context, typed)]
        return [CompletionItem(name, help=said) for name, said in pairs if name.startswith(typed)]

    return complete


@_fitting
def shipped(context: click.Context, typed: str) -> Iterable[str]:
    """Names of the stacks that sparkctl ships."""
    from orchestrator.api.names import stack_names

    return stack_names()


@_fitting
def stacks(context: click.Context, typed: str) -> Iterable[str]:
    """The same, and stack files: those here, or in the folder that was typed."""
    from orchestrator.api.names import stack_names

    folder, slash, _ = typed.rpartition("/")
    beside = f"{folder}{slash}" if slash else "./"
    files = sorted(Path(beside).expanduser().glob("*.yaml"))
    return [*stack_names(), *(f"{beside}{file.name}" for file in files)]


@_fitting
def settings(context: click.Context, typed: str) -> Iterable[str | tuple[str, str]]:
    """`KEY=` of what `--set` takes, and its values where they are counted."""
    from orchestrator.api.keys import settable

    for key in settable():
        if typed.startswith(f"{key.path}="):
            yield from (f"{key.path}={value}" for value in key.values)
        else:
            yield f"{key.path}=", key.text.partition(". ")[0]


@_fitting
def checks(context: click.Context, typed: str) -> Iterable[str]:
    """Names of the checks before a run."""
    from orchestrator.api.checks import skippable

    return skippable()


@_fitting
def explained(context: click.Context, typed: str) -> Iterable[str]:
    """Everything that `explain` knows."""
    from orchestrator.api.explain import names

    return names()


@_fitting
def ranks(context: click.Context, typed: str) -> Iterable[tuple[str, str]]:
    """Ranks with their nodes, as the cluster file has them."""
    from orchestrator.api.files import load_cluster

    nodes = load_cluster(named_file(context)).only_members().nodes
    return [(str(rank), node.name) for rank, node in enumerate(nodes)]


@_fitting
def runs(context: click.Context, typed: str) -> Iterable[str]:
    """`last`, and what was seen last: asking the machines takes seconds, and may ask back."""
    from orchestrator.api.seen_runs import seen

    return ["last", *seen(named_file(context))]


def remember_runs(names: Iterable[str], *, more: bool = False) -> None:
    """The runs of this command's cluster, for `runs`; `more`: beside those that are known."""
    from orchestrator.api.seen_runs import remember, seen

    file = named_file(click.get_current_context())
    remember(file, [*names, *(seen(file) if more else ())])
