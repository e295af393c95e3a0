"""Every line of a rank: to the container's log and, with the time, to `log-rank<R>.txt`.

That file stays when the stack has gone. Secrets are in neither of them.
"""

import os
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from training.contract.events import parse
from training.redactor import Redactor, redacted

_TAIL = 15


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
    ) -> None:
        """`stream`: descriptor of the container's own log."""
        self.tail: deque[str] = deque(maxlen=_TAIL)
        self._redact = redact
        self._stream = stream
        self._clock = clock
        self._file = file.open("ab", buffering=0)

    def line(self, text: str) -> str:
        """Write one line, at once; returns it as it was written, without secrets."""
        text = self._without_secrets(text)
        if not text.startswith('{"event":'):
            self.tail.append(text[:2000])
        self._file.write(f"{self._clock()} {text}\n".encode())
        data = f"{text}\n".encode()
        while data:
            data = data[os.write(self._stream, data) :]
        return text

    def close(self) -> None:
        """Keep what was written through a power cut."""
        os.fsync(self._file.fileno())
        self._file.close()

    def _without_secrets(self, text: str) -> str:
        """An event stays one: a secret may look like a piece of JSON."""
        clean = self._redact(text)
        if clean == text or (event := parse(text)) is None:
            return clean
        return redacted(event, self._redact).model_dump_json()
