"""`accelerate launch` that keeps the rank's exit status, and its time to save.

The launcher turns every failure of its child into status 1 and a traceback of its own; but that
status says whether a restart can help (`training.errors.ExitCode`). At SIGTERM it would kill the
child after 30 seconds, or leave without it; so here SIGTERM is passed on, and the child decides
when to end: how long it may take is for who sent the signal (Docker's stop_grace_period). The
arguments are those of `accelerate launch`.
"""

import logging
import os
import signal
import sys
from contextlib import suppress
from pathlib import Path
from subprocess import CalledProcessError

from accelerate.commands.launch import launch_command, launch_command_parser
from torch.distributed.elastic.multiprocessing.api import SignalException
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError


def main(arguments: list[str]) -> int:
    """Launch, wait, and return the child's exit status; 128 + signal when it was killed."""
    signal.signal(signal.SIGTERM, _pass_on)
    os.environ["PET_SIGNALS_TO_HANDLE"] = "SIGINT,SIGHUP,SIGQUIT"  # torchrun's option
    logging.getLogger("torch.distributed.elastic").setLevel(logging.CRITICAL)
    try:
        launch_command(launch_command_parser().parse_args(arguments))
    except ChildFailedError as failed:
        _, first = failed.get_first_failure()
        return _status(first.exitcode)
    except CalledProcessError as failed:  # a world of one starts without torch's agent
        return _status(failed.returncode)
    except SignalException as stopped:
        return 128 + int(stopped.sigval)
    return 0


def _pass_on(number: int, _: object) -> None:
    children = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
    for child in children:
        with suppress(ProcessLookupError):  # it has just ended by itself
            os.kill(int(child), number)
    if not children:
        sys.exit(128 + number)


def _status(code: int) -> int:
    return code if code >= 0 else 128 - code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
