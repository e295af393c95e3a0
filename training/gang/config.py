"""How a gang behaves: the `gang:` section of a stack, which the supervisors read as well."""

from pydantic import BaseModel, ConfigDict, Field


class GangConfig(BaseModel):
    """Attempts and deadlines; times in seconds."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    attempts: int = Field(10, ge=1)
    """Most attempts of a run. One that came no further than an earlier one is the last anyway."""
    backoff_seconds: int = Field(5, ge=0)
    """Between the end of an attempt and the next start of its containers."""
    join_seconds: float = Field(900, gt=0)
    """How long ranks wait for each other before an attempt: a machine may be rebooting."""
    lost_seconds: float = Field(60, gt=0)
    """A supervisor that is silent this long is lost; a shorter cut of the fabric is sat out."""
    silence_seconds: float = Field(300, gt=0)
    """A step, an evaluation batch or a save that takes this long hangs, or five times the longest
    so far if that is more. Stacks are dumped to `debug/` then."""
    memory_floor: float = Field(0.02, ge=0, lt=1)
    """Share of the node's memory; with less available the trainer is stopped, before the kernel
    freezes the machine. 0: never."""
