"""A reader that has left: `sparkctl stacks list | head -1`."""

import os
import select
import sys

CLOSED = 141
"""Exit code, as a shell reports it of a process that SIGPIPE ended (128 + 13)."""


def nobody_reads() -> bool:
    """Whether the reader of standard output or standard error is gone.

    A connection to a machine breaks with the same exception, and that must be told.
    """
    return any(_is_closed(number) for number in (1, 2))


def drop_output() -> None:
    """What is still buffered goes nowhere: else the interpreter complains about it at its end."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.stdout, sys.stderr):
        os.dup2(nowhere, stream.fileno())


def _is_closed(number: int) -> bool:
    looked = select.poll()
    looked.register(number, 0)  # errors alone
    return any(events & (select.POLLERR | select.POLLHUP) for _, events in looked.poll(0))
