"""The messages between supervisors: one JSON object per line over TCP."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from training.contract.events import Group
from training.contract.verdict import Attempt, Verdict


class _Message(BaseModel):
    model_config = ConfigDict(frozen=True)


Hex = Annotated[str, Field(pattern=r"^[0-9a-f]*$", max_length=64)]


class Challenge(_Message):
    """The coordinator's first message: prove yourself over this."""

    kind: Literal["challenge"] = "challenge"
    challenge: Hex


class Hello(_Message):
    """A rank connects, proves that it belongs to this run, and wants the coordinator's proof."""

    kind: Literal["hello"] = "hello"
    rank: int
    node: str
    challenge: Hex
    proof: Hex


class Welcome(_Message):
    """The coordinator knows the rank, and proves itself; `free`: whether the rank's place is."""

    kind: Literal["welcome"] = "welcome"
    free: bool
    proof: Hex


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
    """`succeeded`, one of training/contract/errors.py, or what the supervisor saw: killed, …"""
    message: str = ""
    help: str = ""
    tail: list[str] = []
    step: int = 0
    """Optimizer steps made."""
    saved: int = 0
    """Step of the newest checkpoint."""
    weights_sha256: str | None = None
    of_peer: bool = False
    """It only reports what happened on another rank."""


class Witnessed(_Message):
    """What a rank's process saw of its group."""

    kind: Literal["witnessed"] = "witnessed"
    number: int
    """What its supervisor gave it to add up."""
    seen: Group


SAVE_NAME = r"^[A-Za-z0-9][\w.-]{0,99}$"
SaveName = Annotated[str, Field(pattern=SAVE_NAME)]
"""Of a folder below `checkpoints/`."""


class Holding(_Message):
    """What a rank could resume from: its complete saves, newest first. Its first message."""

    kind: Literal["holding"] = "holding"
    saves: Annotated[tuple[SaveName, ...], Field(max_length=8)] = ()


SAVE_PATH = r"^[\w.-]+(/[\w.-]+)*$"
SavePath = Annotated[str, Field(pattern=SAVE_PATH, max_length=400)]
"""Of a file in a save."""


class Offered(_Message):
    """A save is complete on rank 0, and these are its files; the coordinator passes it on."""

    kind: Literal["offered"] = "offered"
    save: SaveName
    files: Annotated[tuple[SavePath, ...], Field(max_length=200)]


class Wanted(_Message):
    """The files of a save that this rank lacks; none: it has, or has got, all of them."""

    kind: Literal["wanted"] = "wanted"
    save: SaveName
    files: Annotated[tuple[SavePath, ...], Field(max_length=200)]


class Piece(_Message):
    """Bytes of a file that was wanted; in order."""

    kind: Literal["piece"] = "piece"
    save: SaveName
    file: SavePath
    offset: Annotated[int, Field(ge=0)]
    content: Annotated[str, Field(max_length=2**19)]
    """Base64."""
    last: bool


class Shared(_Message):
    """From the coordinator to rank 0: every other rank has of this save what it lacked."""

    kind: Literal["shared"] = "shared"
    save: SaveName


class Begin(_Message):
    """Everyone is there: start the process of this rank."""

    kind: Literal["begin"] = "begin"
    attempt: int
    resume_from: SaveName | None = None
    """The newest save that all ranks have, of an engine that cannot agree on it by itself."""


class Stop(_Message):
    """Save after the current step, and exit."""

    kind: Literal["stop"] = "stop"


class AttemptResult(_Message):
    """The attempt is over; without a verdict another one follows."""

    kind: Literal["over"] = "over"
    attempt: Attempt | None
    verdict: Verdict | None


Message = (
    Challenge
    | Hello
    | Welcome
    | Holding
    | Beat
    | Stopping
    | Ended
    | Witnessed
    | Offered
    | Wanted
    | Piece
    | Shared
    | Begin
    | Stop
    | AttemptResult
)

_MESSAGE: TypeAdapter[Message] = TypeAdapter(Annotated[Message, Field(discriminator="kind")])


def decode(line: bytes) -> Message:
    """Raises pydantic's ValidationError for anything else."""
    return _MESSAGE.validate_json(line)
