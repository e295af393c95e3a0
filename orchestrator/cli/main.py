"""`sparkctl`: the command line. Parse, call, show; no logic."""

import errno
import os
import sys
from contextlib import suppress

import click

from orchestrator import __version__
from orchestrator.cli.cluster_file import file_option
from orchestrator.cli.completing import VARIABLE, answer
from orchestrator.cli.groups import OneFileEach
from orchestrator.cli.interrupt import Signalled, interruptible, leave
from orchestrator.cli.pipe import CLOSED, drop_output, nobody_reads
from orchestrator.cli.shadowed import refuse_another_training
from orchestrator.errors import SparkctlError

_COMMANDS = {  # in order of use
    "cluster": "Make the machines one swarm, look at it, give them back.",
    "init": "Look at the machines, list all that is to be fixed, and write the cluster file.",
    "stacks": "What can be trained: the stacks that sparkctl ships.",
    "data": "Data to train on: what a file holds, before a run reads it.",
    "train": "Train STACK on the cluster, one rank on each machine, and watch it to its end.",
    "runs": "The runs of the cluster.",
    "tensorboard": "Show the curves of RUN, or of all runs, in a browser here; Ctrl-C ends it.",
    "explain": "Explain NAME: a key of a file, an error's code, a check, how a run failed.",
    "completion": "Print what makes SHELL complete commands, names and keys.",
    "lab": "Simulated DGX Sparks on this computer: real SSH, sudo, Docker and swarm, no GPU.",
}


@click.group(
    cls=OneFileEach,
    words=_COMMANDS,
    context_settings={"help_option_names": ["-h", "--help"]},
    examples=(
        "sparkctl cluster plan",
        "sparkctl cluster up",
        "sparkctl stacks list",
        "sparkctl train llama3-8b-lora --dry-run",
        "sparkctl train llama3-8b-lora",
        "sparkctl cluster down",
    ),
)
@click.version_option(__version__, prog_name="sparkctl")
@file_option
def cli() -> None:
    """Turn two (or N) DGX Sparks into one GPU swarm, train on it, give every machine back."""


def main() -> None:
    """Entry point: every error that is a user's to fix is shown as such, with its exit code."""
    if instruction := os.environ.get(VARIABLE):
        answer(cli, instruction)
        return
    with interruptible() as signalled:
        try:
            code = _run(signalled)
            sys.stdout.flush()
        except BrokenPipeError:  # of our own streams: _run keeps those of machines
            drop_output()
            code = CLOSED
        except OSError as error:  # of standard output: what was printed is not all there
            code = _fault(error, signalled)
            drop_output()
        if signalled.number is not None:
            leave(code)
    sys.exit(code)


def call(words: list[str]) -> None:
    """Do what a command line says.

    Not by click's own `main`, which takes every broken pipe for that of a reader who has left.
    """
    with cli.make_context("sparkctl", words) as context:
        cli.invoke(context)


def _run(signalled: Signalled) -> int:
    """The command's exit code. Raises BrokenPipeError when nobody reads what it prints."""
    try:
        refuse_another_training()
        call(sys.argv[1:])
        return 0
    except click.exceptions.Exit as ended:
        return ended.exit_code
    except SparkctlError as error:
        _show(error)
        return error.exit_code
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (KeyboardInterrupt, click.Abort):
        with suppress(OSError):  # a terminal that was closed
            click.echo("stopped", err=True)
        return signalled.exit_code
    except Exception as error:
        if isinstance(error, BrokenPipeError) and nobody_reads():
            raise
        return _fault(error, signalled)


def _fault(error: Exception, signalled: Signalled) -> int:
    if os.environ.get("SPARKCTL_DEBUG"):
        import traceback

        from orchestrator.ui.console import err

        for line in traceback.format_exc().splitlines():
            err().print(line)
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:  # of a file, or behind `>`
        _show(SparkctlError(f"no space is left on this computer: {error}"))
        return SparkctlError.exit_code
    if signalled.number is not None:  # what was cut off on the way out, or a closed terminal
        return signalled.exit_code
    _show(
        SparkctlError(
            f"a fault of sparkctl itself: {type(error).__name__}: {error}",
            resolution="SPARKCTL_DEBUG=1 shows where. Please report it.",
        )
    )
    return 1


def _show(error: SparkctlError) -> None:
    from orchestrator.ui.console import err, show_error

    show_error(error, err())
