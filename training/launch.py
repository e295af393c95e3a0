"""`accelerate launch` that keeps the rank's exit status.

The launcher turns every failure of its child into status 1 and a traceback of its own; but that
status says whether a restart can help (`training.errors.ExitCode`). The arguments are those of
`accelerate launch`.
"""

import logging
import sys
from subprocess import CalledProcessError

from accelerate.commands.launch import launch_command, launch_command_parser
from torch.distributed.elastic.multiprocessing.api import SignalException
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError


def main(arguments: list[str]) -> int:
    """Launch, wait, and return the child's exit status; 128 + signal when it was killed."""
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


def _status(code: int) -> int:
    return code if code >= 0 else 128 - code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
