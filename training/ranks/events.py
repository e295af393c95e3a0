"""Write a rank's events (`training/contract/events.py`) to stdout and to the run folder."""

import os
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from training.contract.errors import ConfigurationError, TrainingError, disk_full, is_full, writing
from training.contract.events import Error, Event, Phase, Result
from training.contract.files import RankFiles
from training.contract.heartbeat import Heartbeat
from training.contract.redactor import Redactor, redacted

_MESSAGE = 2000
"""Characters of an error's message; cut when no secret is in it that could be cut in two."""


class EventLog:
    """Writes events: each one whole line in one write, to `stream` and to metrics-rank<R>.jsonl.

    A `Result` or an `Error` also becomes result-rank<R>.json, which appears whole or not at all.
    """

    def __init__(
        self,
        stream: int,
        rank: int,
        redact: Redactor | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`stream` is a file descriptor; the clock gives seconds."""
        self.rank = rank
        self._stream = stream
        self._redact = redact or Redactor()
        self._clock = clock
        self._began = clock()
        self._folder: Path | None = None
        self._metrics: Path | None = None
        self._result: Path | None = None

    def keep_in(self, run_dir: str | None) -> None:
        """Write to files in this folder too; the result of an earlier attempt is removed.

        Raises `ConfigurationError` for a folder that this user may not write to.
        """
        if not run_dir:
            return
        folder = Path(run_dir)
        names = RankFiles(self.rank)
        result = folder / names.result
        try:
            folder.mkdir(parents=True, exist_ok=True)
            result.unlink(missing_ok=True)
            (folder / names.metrics).touch()
        except OSError as refused:
            if is_full(refused):
                raise disk_full(folder) from None
            raise ConfigurationError(
                "run_dir_unwritable",
                f"user {os.getuid()} cannot write to {folder}: {refused.strerror}",
                "The run folder must belong to the user that the container runs as.",
            ) from None
        self._folder = folder
        self._metrics, self._result = folder / names.metrics, result

    @property
    def elapsed(self) -> float:
        """Seconds since this log began."""
        return round(self._clock() - self._began, 3)

    def phase(self, name: str) -> None:
        """Emit the start of a phase, and a heartbeat."""
        self.emit(Phase(rank=self.rank, name=name, elapsed=self.elapsed))
        self.beat(name)

    def beat(self, phase: str, step: int | None = None) -> None:
        """Write a heartbeat (`training/contract/heartbeat.py`)."""
        if self._folder is None:
            return
        beat = Heartbeat(
            rank=self.rank, phase=phase, step=step, pid=os.getpid(), elapsed=self.elapsed
        )
        beat = redacted(beat, self._redact)
        name = RankFiles(self.rank).heartbeat
        temp = self._folder / f".{name}.tmp"
        with writing(self._folder / name):
            temp.write_text(beat.model_dump_json(), encoding="utf-8")
            temp.replace(self._folder / name)

    def failed(self, error: TrainingError) -> None:
        """Emit why this rank ends; on a full disk only the stream gets it."""
        event = Error(
            rank=self.rank,
            code=error.code,
            message=self._redact(error.message)[:_MESSAGE],
            help=error.remedy,
            exit_code=error.exit_code,
            of_peer=error.of_peer,
            seconds=self.elapsed,
        )
        with suppress(OSError, TrainingError):
            self.emit(event)

    def emit(self, event: Event) -> None:
        """Write one event everywhere it belongs, to the stream first.

        Raises `TrainingError` when the disk is full.
        """
        line = (redacted(event, self._redact).model_dump_json() + "\n").encode()
        _write(self._stream, line)
        if self._metrics is not None:
            with writing(self._metrics), self._metrics.open("ab", buffering=0) as file:
                _write(file.fileno(), line)
        if self._result is not None and isinstance(event, Result | Error):
            temporary = self._result.with_suffix(".tmp")
            with writing(self._result), temporary.open("wb") as file:
                file.write(line)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(self._result)


def take_stdout() -> int:
    """Keep stdout for events alone: what libraries print there goes to stderr from now on.

    Returns the descriptor for events. Works below Python too, so a C++ library cannot break a line.
    """
    sys.stdout.flush()
    events = os.dup(1)
    os.dup2(2, 1)
    return events


def _write(stream: int, line: bytes) -> None:
    while line:
        line = line[os.write(stream, line) :]
