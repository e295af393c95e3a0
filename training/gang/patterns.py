"""Reads an engine that is not ours: its lines become events, and the files that ours writes."""

import re
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from training.contract.events import AnyEvent, Error, Phase, Result, parse
from training.contract.files import RankFiles
from training.contract.heartbeat import Heartbeat
from training.contract.verdict import RESTS_ON
from training.gang.engine import EVENTS, EngineConfig, Line
from training.gang.proof import GangProof
from training.gang.reader import NO_RESULT

_LONGEST = 4096
"""Characters of a line that are looked at: a pattern may take long, and the rank's pipe waits."""
_DEFAULTS: dict[str, dict[str, Any]] = {
    "step": {"loss": None, "lr": None, "grad_norm": None, "tokens": 0, "tokens_per_second": None},
    "eval": {"loss": None},
    "saved": {"bytes": 0, "seconds": 0.0},
    "resumed": {"passed_over": []},
}
"""Fields that a line need not have."""


@dataclass
class Patterns:
    """A reader by regular expressions; `parse` comes first, so an engine may print our events."""

    engine: EngineConfig
    rank: int
    folder: Path
    """The run folder."""
    log_line: Callable[[str], object]
    """Gets each event that was not printed as one, as a line."""
    clock: Callable[[], float] = time.monotonic
    _began: float = 0.0
    _step: int | None = None
    _kinds: list[tuple[Line, re.Pattern[str]]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._files = RankFiles(self.rank)
        self._kinds = [(line, re.compile(line.pattern)) for line in self.engine.lines]

    @property
    def rests_on(self) -> str:
        """For the verdict."""
        return RESTS_ON[self.engine.proof]

    @property
    def wants_witness(self) -> bool:
        """For the proof of a gang; the witness writes the heartbeat then, with its process ID."""
        return self.engine.proof == "gang"

    @property
    def shares_saves(self) -> bool:
        """As the engine says."""
        return self.engine.share_saves

    def gang_proof(self, world_size: int) -> GangProof | None:
        """One for each attempt."""
        return GangProof(world_size, self.engine.sharded) if self.wants_witness else None

    def begin(self) -> None:
        """Remove the result of an earlier attempt; the process starts now."""
        self._began = self.clock()
        (self.folder / self._files.result).unlink(missing_ok=True)
        self._keep(Phase(rank=self.rank, name="starting", elapsed=0.0))

    def line(self, text: str) -> AnyEvent | None:
        """An event is also kept as ours keeps it."""
        event = parse(text)
        if event is None and (event := self._matched(text[:_LONGEST])) is not None:
            self.log_line(event.model_dump_json())
        if event is not None:
            with suppress(OSError):  # a full disk is found by the log, which has this line too
                self._keep(event)
        return event

    def lacks(self, result: Result | None) -> str | None:
        """What rank 0 must have made; and a result, where that is what a success rests on."""
        if self.engine.proof == "checked" and result is None:
            return NO_RESULT
        for pattern in self.engine.results if self.rank == 0 else ():
            if not any(self.folder.glob(pattern)):
                return f"exit status 0, but there is no {pattern} in the run folder"
        return None

    def _matched(self, text: str) -> AnyEvent | None:
        for line, pattern in self._kinds:
            if (found := pattern.search(text)) is not None:
                return self._event(line.event, found.groupdict())
        return None

    def _event(self, kind: str, groups: dict[str, str | None]) -> AnyEvent | None:
        """None when a field is no number where one belongs."""
        total = {"total_steps": self.engine.total_steps or 0} if kind == "step" else {}
        known = {
            name: text if name == "name" else _value(text)
            for name, text in groups.items()
            if text is not None
        }
        elapsed = round(self.clock() - self._began, 3)
        fields = _DEFAULTS.get(kind, {}) | total | known | {"rank": self.rank, "elapsed": elapsed}
        try:
            return EVENTS[kind].model_validate(fields)  # type: ignore[return-value]
        except ValidationError:
            return None

    def _keep(self, event: AnyEvent) -> None:
        """Write its line in the metrics, the heartbeat, and the result. Raises OSError."""
        text = event.model_dump_json() + "\n"
        with (self.folder / self._files.metrics).open("a", encoding="utf-8") as file:
            file.write(text)
        if isinstance(event, Result | Error):
            self._replace(self._files.result, text)
            return
        if self.wants_witness:
            return
        self._step = getattr(event, "step", self._step)
        name = event.name if isinstance(event, Phase) else "training"
        elapsed = round(self.clock() - self._began, 3)
        # Without its process ID: the signal that ours answers with its stacks would end another.
        beat = Heartbeat(rank=self.rank, phase=name, step=self._step, elapsed=elapsed)
        self._replace(self._files.heartbeat, beat.model_dump_json())

    def _replace(self, name: str, text: str) -> None:
        temp = self.folder / f".{name}.tmp"
        temp.write_text(text, encoding="utf-8")
        temp.replace(self.folder / name)


def _value(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        return text
