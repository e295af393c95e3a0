"""The attempts of a run, as the supervisor of one rank keeps them: `attempts-rank<R>.jsonl`.

A line when an attempt begins and one when it has ended; a verdict closes the list, and what
comes after it (`runs resume`) starts a new one. A beginning without an end: the container or the
machine went away.
"""

import json
import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from training.contract.files import RankFiles
from training.contract.verdict import Attempt, Verdict

_ROOM = 65536
"""Bytes; more than any verdict has."""


@dataclass(frozen=True)
class History:
    """What came before, since the last verdict."""

    attempts: tuple[Attempt, ...] = ()
    unfinished: tuple[int, str] | None = None
    """Number and time of an attempt that began and has no end."""

    @property
    def made(self) -> int:
        """How many attempts there were."""
        return len(self.attempts) + (self.unfinished is not None)

    @property
    def step(self) -> int:
        """The furthest that any of them came."""
        return max((attempt.step for attempt in self.attempts), default=0)

    @property
    def saved(self) -> int:
        """The newest checkpoint that any of them saved."""
        return max((attempt.saved for attempt in self.attempts), default=0)


@dataclass(frozen=True)
class AttemptLog:
    """The files of one rank in the run folder."""

    folder: Path
    rank: int

    @property
    def _attempts(self) -> Path:
        return self.folder / RankFiles(self.rank).attempts

    @property
    def _reserve(self) -> Path:
        return self.folder / RankFiles(self.rank).reserve

    @property
    def _verdict(self) -> Path:
        return self.folder / RankFiles(self.rank).verdict

    def read(self) -> History:
        """What is known; a line cut short by a power cut is skipped."""
        attempts: list[Attempt] = []
        unfinished = None
        text = self._attempts.read_text("utf-8", "replace") if self._attempts.exists() else ""
        for line in text.splitlines():
            try:
                fields = json.loads(line)
                if "verdict" in fields:
                    attempts, unfinished = [], None
                elif "end" in fields:
                    attempts.append(Attempt(**fields))
                    unfinished = None
                else:
                    unfinished = (int(fields["attempt"]), str(fields["began"]))
            except (ValueError, KeyError, TypeError):
                continue
        return History(tuple(attempts), unfinished)

    def reserve(self) -> None:
        """Keep room for the verdict, so that a full disk can be reported too. Raises OSError."""
        if not self._reserve.exists():
            temp = self._reserve.with_suffix(".tmp")
            try:
                _write_synced(temp, os.urandom(_ROOM))  # zeros might take no room
                temp.replace(self._reserve)
            finally:
                temp.unlink(missing_ok=True)

    def begin(self, attempt: int, began: str) -> None:
        """An attempt begins."""
        self._append({"attempt": attempt, "began": began})

    def end(self, attempt: Attempt) -> None:
        """It is over."""
        self._append(attempt.model_dump())

    def verdict(self) -> str | None:
        """The verdict's JSON, if there is one."""
        return self._verdict.read_text("utf-8") if self._verdict.exists() else None

    def close(self, verdict: Verdict) -> None:
        """The run is over. The verdict appears whole or not at all; a power cut leaves it there.

        Raises OSError when it cannot be written even into the room that was kept for it.
        """
        self._reserve.unlink(missing_ok=True)
        with suppress(OSError):  # what has room for one of the two shall have the verdict
            self._append({"verdict": verdict.state})
        temp = self._verdict.with_suffix(".tmp")
        _write_synced(temp, f"{verdict.model_dump_json(exclude={'event'})}\n".encode())
        temp.replace(self._verdict)

    def _append(self, fields: dict[str, object]) -> None:
        with self._attempts.open("a", encoding="utf-8") as file:
            # Begins a line of its own also after one that was cut short.
            file.write(("\n" if file.tell() else "") + json.dumps(fields))
            file.flush()
            os.fsync(file.fileno())


def _write_synced(file: Path, content: bytes) -> None:
    with file.open("wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())
