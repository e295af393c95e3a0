"""The streams of this process for a program elsewhere; a terminal is handed over to it.

Only where both ends are a terminal: there every key goes to the program, Ctrl-C too, and what it
prints is obeyed, as with ssh. Else nothing that it prints moves a cursor here.
"""

import codecs
import os
import signal
import sys
import termios
import threading
import tty
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TextIO

from orchestrator.runs.exec import Streams
from orchestrator.ui.plain import visible

_CHUNK = 65536


@contextmanager
def streams() -> Iterator[Streams]:
    """Those of this process. A terminal is as before at the end."""
    if not (_is_terminal(sys.stdin) and _is_terminal(sys.stdout)):
        yield Streams(_read, _shown(sys.stdout), _shown(sys.stderr))
        return
    resized = threading.Event()
    with _raw(sys.stdin.fileno()), _noticed(resized):
        yield Streams(_read, _raw_bytes(sys.stdout), _raw_bytes(sys.stderr), _size, resized)


def _is_terminal(stream: TextIO | None) -> bool:
    return stream is not None and stream.isatty()


def _read() -> bytes:
    if sys.stdin is None:
        return b""
    return os.read(sys.stdin.fileno(), _CHUNK)


def _shown(stream: TextIO) -> Callable[[bytes], None]:
    """To a file or a pipe as it is, to a terminal as text."""
    if not stream.isatty():
        return _raw_bytes(stream)
    decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def write(data: bytes) -> None:
        stream.write(visible(decoder.decode(data)))
        stream.flush()

    return write


def _raw_bytes(stream: TextIO) -> Callable[[bytes], None]:
    def write(data: bytes) -> None:
        stream.buffer.write(data)
        stream.flush()

    return write


def _size() -> tuple[int, int]:
    columns, rows = os.get_terminal_size(sys.stdout.fileno())
    return columns, rows


@contextmanager
def _raw(terminal: int) -> Iterator[None]:
    before = termios.tcgetattr(terminal)
    tty.setraw(terminal)
    try:
        yield
    finally:
        termios.tcsetattr(terminal, termios.TCSADRAIN, before)


@contextmanager
def _noticed(resized: threading.Event) -> Iterator[None]:
    before = signal.signal(signal.SIGWINCH, lambda number, frame: resized.set())
    try:
        yield
    finally:
        signal.signal(signal.SIGWINCH, before)
