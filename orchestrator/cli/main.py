"""`sparkctl`: the command line. Parse, call, show; no logic."""

import logging
import os
import sys
import traceback
from contextlib import suppress
from pathlib import Path

import click

from orchestrator import __version__
from orchestrator.cli.groups import OneFileEach
from orchestrator.cli.interrupt import Signalled, interruptible, leave
from orchestrator.errors import SparkctlError
from orchestrator.ui.console import err, show_error

_COMMANDS = {
    "cluster": "Make the machines one swarm, look at it, give them back.",
    "init": "Look at the machines, list all that is to be fixed, and write the cluster file.",
    "train": "Train STACK on the cluster, one rank on each machine, and watch it to its end.",
    "runs": "The runs of the cluster.",
    "tensorboard": "Show the curves of RUN, or of all runs, in a browser here; Ctrl-C ends it.",
    "lab": "Simulated DGX Sparks on this computer: real SSH, sudo, Docker and swarm, no GPU.",
}


@click.group(
    cls=OneFileEach, words=_COMMANDS, context_settings={"help_option_names": ["-h", "--help"]}
)
@click.version_option(__version__, prog_name="sparkctl")
@click.option(
    "-f",
    "--file",
    type=click.Path(path_type=Path),
    default=Path("cluster.yaml"),
    envvar="SPARKCTL_FILE",
    show_default=True,
    help="The cluster file.",
)
@click.pass_context
def cli(context: click.Context, file: Path) -> None:
    """Turn two (or N) DGX Sparks into one GPU swarm, train on it, give every machine back."""
    context.obj = file


def main() -> None:
    """Entry point: every error that is a user's to fix is shown as such, with its exit code."""
    # paramiko writes tracebacks of failed connections to its log; we report them in our own words.
    logging.getLogger("paramiko").addHandler(logging.NullHandler())
    with interruptible() as signalled:
        code = _run(signalled)
        if signalled.number is not None:
            leave(code)
    sys.exit(code)


def _run(signalled: Signalled) -> int:
    """The command's exit code."""
    try:
        # Without its standalone mode click hands an exit code back instead of raising it.
        return cli(standalone_mode=False) or 0
    except SparkctlError as error:
        show_error(error, err())
        return error.exit_code
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (KeyboardInterrupt, click.Abort):
        with suppress(OSError):  # a terminal that was closed
            err().print("stopped")
        return signalled.exit_code
    except Exception as error:
        if os.environ.get("SPARKCTL_DEBUG"):
            for line in traceback.format_exc().splitlines():
                err().print(line)
        if signalled.number is not None:  # what was cut off on the way out, or a closed terminal
            return signalled.exit_code
        show_error(
            SparkctlError(
                f"a fault of sparkctl itself: {type(error).__name__}: {error}",
                resolution="SPARKCTL_DEBUG=1 shows where. Please report it.",
            ),
            err(),
        )
        return 1
