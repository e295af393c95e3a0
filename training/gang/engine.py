"""What supervisors know of an engine that is not ours: its own part of engine.yaml."""

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from training.contract.events import Eval, Event, Phase, Resumed, Saved, Step

ENGINE = "SPARKCTL_ENGINE"
"""Environment variable that holds it, as JSON; without it the engine is ours."""
WITNESS = "SPARKCTL_WITNESS"
"""Environment variable of a rank's process: the number that its witness adds up with others'."""

EVENTS: dict[str, type[Event]] = {
    "phase": Phase, "step": Step, "eval": Eval, "saved": Saved, "resumed": Resumed,
}  # fmt: skip
"""What a line of text may become."""
OWN = {"event", "rank", "elapsed"}
"""Fields that the supervisor knows better."""


def _inside(path: str) -> str:
    if path.startswith("/") or ".." in path.split("/") or not path:
        raise ValueError("it is a path in the run folder")
    if any("**" in part and part != "**" for part in path.split("/")):
        raise ValueError("`**` stands for folders, alone between two slashes")
    return path


ResultPath = Annotated[str, AfterValidator(_inside)]


class _Part(BaseModel):
    model_config = ConfigDict(
        frozen=True, extra="forbid", allow_inf_nan=False, use_attribute_docstrings=True
    )


class Line(_Part):
    """Lines of its output that are one kind of event."""

    event: Literal["phase", "step", "eval", "saved", "resumed"]
    """The event that they become (`training/contract/events.py`)."""
    pattern: Annotated[str, Field(max_length=1000)]
    """Regular expression, found anywhere in a line; its named groups are fields of the event:
    `step=(?P<step>\\d+) loss=(?P<loss>\\S+)`."""

    @model_validator(mode="after")
    def _has_the_fields(self) -> "Line":
        try:
            groups = set(re.compile(self.pattern).groupindex)
        except re.error as error:
            raise ValueError(f"pattern: not a regular expression: {error}") from None
        known = EVENTS[self.event].model_fields.keys() - OWN
        needed = {"name"} if self.event == "phase" else {"step"}
        if unknown := sorted(groups - known):
            fields = ", ".join(sorted(known))
            raise ValueError(f"pattern: {self.event} has no field {unknown[0]}; known: {fields}")
        if missing := sorted(needed - groups):
            raise ValueError(f"pattern: it has no group (?P<{missing[0]}>…)")
        return self


class EngineConfig(_Part):
    """How its output is read, and what a success of it rests on."""

    proof: Literal["gang", "checked", "exit code"]
    """`gang`: a witness inside each process reports its group (training/gang/proof.py). `checked`:
    every rank reports a result, all with the same checksum of what was trained. `exit code`: every
    rank joined and exited with 0."""
    sharded: bool = False
    """With `gang`: each rank must hold a part of the model only."""
    lines: tuple[Line, ...] = ()
    """Lines of text that become events, the first that fits. Our JSON events are read anyway."""
    results: tuple[ResultPath, ...] = ()
    """What rank 0 must have made in the run folder, as patterns of a shell."""
    share_saves: bool = False
    """What rank 0 has of a checkpoint, a numbered folder in `checkpoints/`, is brought to the
    others, and all are told which one to resume from."""
    total_steps: int | None = None
    """Steps of the whole training, to show progress; None: lines report it, or it is unknown."""
