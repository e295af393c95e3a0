"""What a rank tells the controller: one JSON object per line, on stdout and in the run folder.

Written by every rank, read by the controller with `parse`. `event` is always the first key. Numbers
that are not finite are written as null: NaN is not JSON.
"""

import json
import math
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, TypeAdapter, ValidationError

from training.errors import ConfigurationError, TrainingError


def _finite(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value


Number = Annotated[float | None, BeforeValidator(_finite)]


class _Event(BaseModel):
    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)


class Start(_Event):
    """The group is proven, base and data are loaded; step 1 comes next."""

    event: Literal["start"] = "start"
    rank: int
    run_id: str
    node: str
    world_size: int
    total_steps: int
    strategy: Literal["sharded", "ddp"]
    base_sha256: str
    parameters: int
    """Weights of the whole base."""
    local_parameters: int
    """Weights of the base that this rank holds."""
    trainable_parameters: int
    bytes_read: int
    """Bytes of weight files that this rank read."""
    train_rows: int
    held_out_rows: int
    device: str


class Phase(_Event):
    """What the rank begins to do: joining, preparing base, loading, preparing data, training…"""

    event: Literal["phase"] = "phase"
    rank: int
    name: str
    elapsed: float
    """Seconds since this process began."""


class Eval(_Event):
    """Held-out loss (mean, nats per completion token), the same on every rank."""

    event: Literal["eval"] = "eval"
    rank: int
    step: int
    loss: Number
    elapsed: float


class Step(_Event):
    """One or more (`loop.log_every`) optimizer steps, up to and with `step`."""

    event: Literal["step"] = "step"
    rank: int
    step: int
    total_steps: int
    loss: Number
    """Mean training loss over these steps and over all ranks."""
    lr: Number
    grad_norm: Number
    tokens: int
    """Real tokens, prompt and completion without padding, that THIS RANK processed."""
    tokens_per_second: Number
    """Real tokens per second of ALL RANKS together; evaluations are not in the time."""
    rank_tokens_per_second: Number = None
    """Of this rank alone."""
    tflops: Number = None
    """Model TFLOP/s of this rank: 4 FLOPs a weight and real token, 6 in full fine-tuning."""
    mfu: Number = None
    """`tflops` as a share of `loop.peak_tflops`; null when that is not stated."""
    seconds: dict[str, float] | None = None
    """Of one step, as the host sees it: data, forward, backward, other (optimizer, saving).

    `communication` now and then: how long collectives were under way in one step, beside the rest.
    """
    memory_peak: int | None = None
    """Most bytes that this process held at once so far, and a GPU's own for it."""
    memory_available: int | None = None
    """MemAvailable of the node, in bytes."""
    elapsed: float


class Saved(_Event):
    """All ranks have this checkpoint; a restart goes on from here."""

    event: Literal["saved"] = "saved"
    rank: int
    step: int
    bytes: int
    """Size of this rank's part."""
    seconds: float
    """What it cost: the training waited."""
    elapsed: float


class Resumed(_Event):
    """This is a restart: the training goes on after `step`, with everything as it was then."""

    event: Literal["resumed"] = "resumed"
    rank: int
    step: int
    passed_over: list[int]
    """Newer checkpoints that were not whole on every rank."""
    elapsed: float


class Result(_Event):
    """The good end: trained, evaluated, saved, and equal on all ranks."""

    event: Literal["result"] = "result"
    rank: int
    state: Literal["succeeded"] = "succeeded"
    step: int
    eval_loss_first: Number
    eval_loss_last: Number
    weights_sha256: str
    """Of what was trained, the same on every rank."""
    saved: str | None
    """Folder of the adapter or model; null on ranks that save nothing."""
    tokens: int
    """Real tokens of all ranks together."""
    tokens_per_second: Number = None
    """Of all ranks together: the median of this attempt's steps."""
    mfu: Number = None
    """Mean of this attempt's steps."""
    memory_peak: int | None = None
    """Bytes, as in `step`."""
    step_seconds: dict[str, float] | None = None
    """Of all steps of this attempt together, by phase as in `step`."""
    seconds: float
    """Since this process began."""


class Error(_Event):
    """The bad end. The exit status says whether a restart can help (`training.errors`)."""

    event: Literal["error"] = "error"
    rank: int
    code: str
    message: str
    help: str
    exit_code: int
    of_peer: bool = False
    """It happened on another rank."""
    seconds: float


AnyEvent = Start | Phase | Eval | Step | Saved | Resumed | Result | Error
Event = Annotated[AnyEvent, Field(discriminator="event")]

_EVENT: TypeAdapter[AnyEvent] = TypeAdapter(Event)


def parse(line: str) -> AnyEvent | None:
    """Read one line of a rank's output; None for anything that is not an event."""
    if not line.startswith('{"event":'):
        return None
    try:
        return _EVENT.validate_json(line)
    except ValidationError:
        return None


class EventLog:
    """Writes events: each one whole line in one write, to `stream` and to metrics-rank<R>.jsonl.

    A `Result` or an `Error` also becomes result-rank<R>.json, which appears whole or not at all.
    """

    def __init__(self, stream: int, rank: int, clock: Callable[[], float] = time.monotonic) -> None:
        """`stream` is a file descriptor; the clock gives seconds."""
        self.rank = rank
        self._stream = stream
        self._clock = clock
        self._began = clock()
        self._folder: Path | None = None
        self._metrics: Path | None = None
        self._result: Path | None = None

    def keep_in(self, run_dir: str | None) -> None:
        """Write to files in this folder too; an end that an earlier attempt left is taken away.

        Raises `ConfigurationError` for a folder that this user may not write to.
        """
        if not run_dir:
            return
        folder = Path(run_dir)
        result = folder / f"result-rank{self.rank}.json"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            result.unlink(missing_ok=True)
            (folder / f"metrics-rank{self.rank}.jsonl").touch()
        except OSError as refused:
            raise ConfigurationError(
                "run_dir_unwritable",
                f"user {os.getuid()} cannot write to {folder}: {refused.strerror}",
                "The run folder must belong to the user that the container runs as.",
            ) from None
        self._folder = folder
        self._metrics, self._result = folder / f"metrics-rank{self.rank}.jsonl", result

    @property
    def elapsed(self) -> float:
        """Seconds since this log began."""
        return round(self._clock() - self._began, 3)

    def phase(self, name: str) -> None:
        """Say what begins now."""
        self.emit(Phase(rank=self.rank, name=name, elapsed=self.elapsed))
        self.beat(name)

    def beat(self, phase: str, step: int | None = None) -> None:
        """Leave a sign of life: heartbeat-rank<R>.json, replaced whole; its age is what counts."""
        if self._folder is None:
            return
        beat = {
            "rank": self.rank,
            "phase": phase,
            "step": step,
            "pid": os.getpid(),
            "elapsed": self.elapsed,
        }
        aside = self._folder / f".heartbeat-rank{self.rank}.tmp"
        aside.write_text(json.dumps(beat), encoding="utf-8")
        aside.replace(self._folder / f"heartbeat-rank{self.rank}.json")

    def failed(self, error: TrainingError) -> None:
        """Say why this rank ends."""
        self.emit(
            Error(
                rank=self.rank,
                code=error.code,
                message=error.message,
                help=error.remedy,
                exit_code=error.exit_code,
                of_peer=error.of_peer,
                seconds=self.elapsed,
            )
        )

    def emit(self, event: _Event) -> None:
        """Write one event everywhere it belongs."""
        line = (event.model_dump_json() + "\n").encode()
        _write(self._stream, line)
        if self._metrics is not None:
            with self._metrics.open("ab", buffering=0) as file:
                file.write(line)
        if self._result is not None and isinstance(event, Result | Error):
            temporary = self._result.with_suffix(".tmp")
            with temporary.open("wb") as file:
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
