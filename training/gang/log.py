"""Every line of a rank: to the container's log and, with the time, to `log-rank<R>.txt`.

That file stays when the stack has gone. Secrets are blotted out in both.
"""

import os
from collections import deque
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from pathlib import Path

_TAIL = 15
_BLOT = "[secret]"
_SHORTEST = 6
"""Characters; anything shorter would blot out half of the log, and protects nothing."""


def now() -> str:
    """UTC in ISO 8601 with microseconds, as every line of the log begins."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def secret_values(folder: Path) -> list[str]:
    """What must not be written anywhere: the contents of /run/secrets."""
    if not folder.is_dir():
        return []
    return [file.read_text("utf-8", "replace").strip() for file in sorted(folder.iterdir())]


class RankLog:
    """Written by the supervisor alone. `tail` holds the last lines that are not events."""

    def __init__(
        self,
        file: Path,
        secrets: Iterable[str] = (),
        stream: int = 1,
        clock: Callable[[], str] = now,
    ) -> None:
        """`stream`: descriptor of the container's own log."""
        self.tail: deque[str] = deque(maxlen=_TAIL)
        self._secrets = sorted({s for s in secrets if len(s) >= _SHORTEST}, key=len, reverse=True)
        self._stream = stream
        self._clock = clock
        self._file = file.open("ab", buffering=0)

    def line(self, text: str) -> None:
        """Write one line, at once."""
        for secret in self._secrets:
            text = text.replace(secret, _BLOT)
        if not text.startswith('{"event":'):
            self.tail.append(text[:2000])
        self._file.write(f"{self._clock()} {text}\n".encode())
        data = f"{text}\n".encode()
        while data:
            data = data[os.write(self._stream, data) :]

    def close(self) -> None:
        """Keep what was written through a power cut."""
        os.fsync(self._file.fileno())
        self._file.close()
