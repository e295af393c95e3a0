"""What may stand in a rank's log as an event: the rank's own, and those of its supervisor."""

from typing import Annotated, Literal

from pydantic import Field, TypeAdapter, ValidationError

from training.contract.events import AnyEvent
from training.contract.verdict import Attempt, Verdict

EVENT = '{"event":'
"""How the line of every event begins."""


class AttemptOver(Attempt):
    """An attempt is over; another one, or a verdict, follows."""

    event: Literal["ended"] = "ended"


LogEvent = AnyEvent | AttemptOver | Verdict

_EVENT: TypeAdapter[LogEvent] = TypeAdapter(Annotated[LogEvent, Field(discriminator="event")])


def parse_log(line: str) -> LogEvent | None:
    """None for what is no event, or one that only a newer version knows."""
    if not line.startswith(EVENT):
        return None
    try:
        return _EVENT.validate_json(line)
    except ValidationError:
        return None
