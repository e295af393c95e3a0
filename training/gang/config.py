"""How a gang behaves: the `gang:` section of a stack, which the supervisors read as well."""

from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from training.contract.names import ADDRESS
from training.contract.sentences import listed


class Hook(BaseModel):
    """Who is notified when a run has ended: one of command, url and url_secret."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", allow_inf_nan=False, use_attribute_docstrings=True
    )

    on: Annotated[
        tuple[Literal["succeeded", "failed", "stopped"], ...],
        Field(min_length=1),
        BeforeValidator(listed),
    ] = ("succeeded", "failed")
    """The final states that trigger it."""
    command: tuple[str, ...] = ()
    """Program and arguments, run in rank 0's container; it reads the verdict (JSON) from its
    standard input."""
    url: Annotated[str, Field(pattern=ADDRESS)] | None = None
    """An address that the verdict is posted to as JSON, with a line for people as `text`."""
    url_secret: str | None = None
    """The same, but the address is the value of this secret of the stack."""

    @model_validator(mode="after")
    def _one_of_three(self) -> "Hook":
        if sum(map(bool, (self.command, self.url, self.url_secret))) != 1:
            raise ValueError("a hook has one of command, url and url_secret")
        return self


class GangConfig(BaseModel):
    """Attempts and deadlines; times in seconds."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", allow_inf_nan=False, use_attribute_docstrings=True
    )

    attempts: int = Field(10, ge=1)
    """Maximum attempts. An attempt that gets no further than an earlier one ends the run."""
    backoff_seconds: int = Field(5, ge=0)
    """Between the end of an attempt and the next start of its containers."""
    join_seconds: float = Field(900, gt=0)
    """How long ranks wait for each other before an attempt: a machine may be rebooting."""
    lost_seconds: float = Field(60, gt=0)
    """A supervisor that is silent this long is lost; a shorter cut of the fabric is tolerated."""
    silence_seconds: float = Field(300, gt=0)
    """A step, an evaluation batch or a save that takes this long hangs, or five times the longest
    so far if that is more. Stacks are dumped to `debug/` then."""
    start_seconds: float | None = Field(None, gt=0)
    """A rank that prints no line for this long before its first step hangs; null: it may load for
    hours. Our own training has timeouts for that."""
    memory_floor: float = Field(0.05, ge=0, lt=1)
    """Share of the node's memory; with less available the trainer is stopped, before the kernel
    freezes the machine. Below three times that, also while memory would be gone in 5 s, or the
    machine stands still for paging. 0: never."""
    hooks: tuple[Hook, ...] = ()
    """Commands and webhooks to notify when the run has ended."""
