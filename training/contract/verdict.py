"""How attempts and a run ended, as the supervisors judge."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from training.contract.counts import Count

RESTS_ON = {
    "gang": "proof: gang: seen from inside at the first optimizer steps, the ranks were one group "
    "and shared their work",
    "checked": "proof: checked: every rank reported the same checksum of what it trained",
    "exit code": "proof: exit code: every rank joined and exited with 0, nothing was compared",
}
"""The message of a success that is less than ours, which proves itself; by the engine's grade."""

ExitStatus = Annotated[int, Field(gt=-(2**31), lt=2**31)]


class Attempt(BaseModel):
    """One attempt that is over, as `attempts-rank<R>.jsonl` keeps it."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)

    attempt: Count
    began: str
    ended: str
    end: Literal["succeeded", "stopped", "failed", "lost"]
    step: Count
    """The furthest that any rank came."""
    saved: Count
    """Step of the newest checkpoint that was saved."""
    rank: Count | None = None
    """Who failed first."""
    node: str | None = None
    exit_code: ExitStatus | None = None
    code: str | None = None
    message: str | None = None


class Verdict(BaseModel):
    """How the run ended; final. The fields from `rank` to `tail` are of who failed first."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)

    event: Literal["verdict"] = "verdict"
    run: str
    state: Literal["succeeded", "stopped", "failed"]
    rank: Count | None = None
    node: str | None = None
    exit_code: ExitStatus | None = None
    code: str | None = None
    message: str | None = None
    help: str | None = None
    tail: list[str] = []
    step: Count
    attempts: Count
    ended: str
    """UTC, ISO 8601."""
