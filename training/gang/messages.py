"""What supervisors say to each other: one JSON object per line over TCP."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter


class _Message(BaseModel):
    model_config = ConfigDict(frozen=True)


class Hello(_Message):
    """A rank is there. `nonce` proves that it belongs to this run."""

    kind: Literal["hello"] = "hello"
    rank: int
    node: str
    nonce: str


class Beat(_Message):
    """Nothing new; `step` is how many the rank has made."""

    kind: Literal["beat"] = "beat"
    step: int = 0


class Stopping(_Message):
    """Somebody wants this rank to end: `asked` by `sparkctl runs stop`, or by a signal."""

    kind: Literal["stopping"] = "stopping"
    asked: bool


class Ended(_Message):
    """The process of this rank is over."""

    kind: Literal["ended"] = "ended"
    rank: int
    node: str
    exit_code: int | None
    """Status, or 128 + signal; None when the whole container or machine went away."""
    code: str
    """`succeeded`, one of `training.errors`, or what the supervisor saw: killed, silent, …"""
    message: str = ""
    help: str = ""
    tail: list[str] = []
    step: int = 0
    """Optimizer steps made."""
    saved: int = 0
    """Step of the newest checkpoint."""
    weights_sha256: str | None = None
    of_peer: bool = False
    """It only says what happened on another rank."""


class Begin(_Message):
    """Everyone is there: start the process of this rank."""

    kind: Literal["begin"] = "begin"
    attempt: int


class Stop(_Message):
    """Save after the step at hand, and end."""

    kind: Literal["stop"] = "stop"


class Attempt(_Message):
    """One attempt that is over, as `attempts-rank<R>.jsonl` keeps it."""

    kind: Literal["attempt"] = "attempt"
    attempt: int
    began: str
    ended: str
    end: Literal["succeeded", "stopped", "failed", "lost"]
    step: int
    """The furthest that any rank came."""
    saved: int
    """Step of the newest checkpoint that was saved."""
    rank: int | None = None
    """Who failed first."""
    node: str | None = None
    exit_code: int | None = None
    code: str | None = None
    message: str | None = None


class Verdict(_Message):
    """How the run ended; final. The fields from `rank` to `tail` are of who failed first."""

    event: Literal["verdict"] = "verdict"
    kind: Literal["verdict"] = "verdict"
    run: str
    state: Literal["succeeded", "stopped", "failed"]
    rank: int | None = None
    node: str | None = None
    exit_code: int | None = None
    code: str | None = None
    message: str | None = None
    help: str | None = None
    tail: list[str] = []
    step: int
    attempts: int
    ended: str
    """UTC, ISO 8601."""


class Over(_Message):
    """The attempt is over; without a verdict another one follows."""

    kind: Literal["over"] = "over"
    attempt: Attempt | None
    verdict: Verdict | None


Message = Hello | Beat | Stopping | Ended | Begin | Stop | Over

_MESSAGE: TypeAdapter[Message] = TypeAdapter(Annotated[Message, Field(discriminator="kind")])


def decode(line: bytes) -> Message:
    """Raises pydantic's ValidationError for anything else."""
    return _MESSAGE.validate_json(line)
