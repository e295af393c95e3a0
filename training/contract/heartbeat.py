"""A rank's heartbeat: `heartbeat-rank<R>.json`, replaced atomically; its age is what counts."""

from pydantic import BaseModel, ConfigDict

from training.contract.counts import Count


class Heartbeat(BaseModel):
    """What the rank is doing."""

    model_config = ConfigDict(frozen=True)

    rank: Count
    phase: str
    step: Count | None = None
    """Optimizer steps made; None before the training has begun."""
    pid: Count | None = None
    """Of the trainer, as its own container counts."""
    elapsed: float = 0.0
    """Seconds since its process began."""
