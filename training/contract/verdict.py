"""How attempts and a run ended, as the supervisors judge."""

from typing import Literal

from pydantic import BaseModel, ConfigDict


class Attempt(BaseModel):
    """One attempt that is over, as `attempts-rank<R>.jsonl` keeps it."""

    model_config = ConfigDict(frozen=True)

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


class Verdict(BaseModel):
    """How the run ended; final. The fields from `rank` to `tail` are of who failed first."""

    model_config = ConfigDict(frozen=True)

    event: Literal["verdict"] = "verdict"
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
