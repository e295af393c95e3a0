"""Every line of a rank: to the container's log and, with the time, to `log-rank<R>.txt`.

That file stays when the stack has gone. Secrets are in neither of them.
"""

import os
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from io import FileIO
from pathlib import Path

from training.contract.errors import is_full
from training.contract.events import parse
from training.contract.redactor import Redactor, redacted

_TAIL = 15
MOST = 512 * 2**20
"""Bytes of a log; a program that prints the same for days must not fill the disk."""


def now() -> str:
    """UTC in ISO 8601 with microseconds, as every line of the log begins."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


class RankLog:
    """Written by the supervisor alone. `tail` holds the last lines that are not events."""

    def __init__(
        self,
        file: Path,
        redact: Redactor,
        stream: int = 1,
        clock: Callable[[], str] = now,
        most: int = MOST,
    ) -> None:
        """`stream`: descriptor of the container's own log; `most`: bytes of the file.

        Raises OSError when the file cannot be opened for another reason than a full disk.
        """
        self.tail: deque[str] = deque(maxlen=_TAIL)
        self._redact = redact
        self._stream = stream
        self._clock = clock
        self._path = file
        self._most = most
        self._file: FileIO | None = None
        self._torn = False
        """The last line in the file has no end."""
        self._left_out = 0
        self._lost = 0
        self.full = False
        """Whether a line was lost because the disk is full."""
        try:
            self._file = self._opened()
        except OSError as refused:
            if not is_full(refused):
                raise

    def line(self, text: str) -> str:
        """Write one line, at once; returns it as it was written, without secrets.

        What cannot be written is lost, and the container's log reports it; nothing is raised.
        """
        text = self._without_secrets(text)
        if not text.startswith('{"event":'):
            self.tail.append(text[:2000])
        self._say(text)
        self._keep(text)
        return text

    def close(self) -> None:
        """Keep what was written through a power cut."""
        if self._left_out:
            self._write(f"{self._left_out} lines were left out: this log is full")
        if self._file is not None:
            with suppress(OSError):
                os.fsync(self._file.fileno())
            self._file.close()

    def _keep(self, text: str) -> None:
        event = text.startswith('{"event":')  # who watches needs these
        if not event and self._file is not None and self._file.tell() > self._most:
            self._left_out += 1
            if self._left_out == 1:
                self._write(f"this log is full ({self._most >> 20} MiB): only events follow")
            return
        lost = self._lost
        if lost and self._write(f"{lost} lines could not be written here"):
            self._lost = 0
        if not self._write(text):
            self._lost += 1

    def _write(self, text: str) -> bool:
        line = f"{self._clock()} {text}\n".encode()
        data = b"\n" + line if self._torn else line
        try:
            self._file = self._file or self._opened()
            while data:
                data = data[self._file.write(data) or 0 :]
                self._torn = data != b""
        except OSError as refused:
            if not self._lost:
                self._say(f"lines are lost, {self._path} cannot be written: {refused.strerror}")
            self.full = self.full or is_full(refused)
            return False
        return True

    def _say(self, text: str) -> None:
        data = f"{text}\n".encode()
        with suppress(OSError):
            while data:
                data = data[os.write(self._stream, data) :]

    def _opened(self) -> FileIO:
        return self._path.open("ab", buffering=0)

    def _without_secrets(self, text: str) -> str:
        """An event stays one: a secret may look like a piece of JSON."""
        clean = self._redact(text)
        if clean == text or (event := parse(text)) is None:
            return clean
        return redacted(event, self._redact).model_dump_json()
