"""`engine.yaml`: what an engine is made of and what it can do, as plain data."""

from typing import Annotated, Literal

from pydantic import Field, field_validator

from orchestrator.spec.base import ApiVersion, Model
from orchestrator.spec.cluster import Environment
from orchestrator.spec.describe import keys_of
from orchestrator.spec.patterns import ENGINE_NAME, PATH, SHORT, TARGET, VARIABLE
from training.contract.config import TrainingConfig
from training.gang.engine import Line, ResultPath

FILE = "engine.yaml"
Proof = Literal["proved", "gang", "checked", "exit code"]


class RenderedFile(Model):
    """A file that is written for a run, and that every rank finds in its container."""

    name: Annotated[str, Field(pattern=SHORT)]
    """Names it in Docker's store, which has little room: at most ten characters."""
    template: Annotated[str, Field(pattern=PATH)]
    """File in the engine's folder. `{{ name }}` in it stands for a value of the run, as JSON."""
    target: Annotated[str, Field(pattern=TARGET)]
    """Where it is in the container."""
    variable: Annotated[str, Field(pattern=VARIABLE)] | None = None
    """Environment variable with its path."""
    per: Literal["run", "rank"] = "run"
    """Whether all ranks have the same one."""


class EngineSpec(Model):
    """The whole file."""

    apiVersion: ApiVersion  # noqa: N815 - the name is the API's
    kind: Literal["Engine"]
    name: Annotated[str, Field(pattern=ENGINE_NAME)]
    """What it is called in messages."""
    summary: str
    """One line for people."""
    base_image: str | None = None
    """Image that its image is built upon, when the stack names none; default: the cluster's."""
    command: list[str] = []
    """What each rank starts, in the engine's folder; `{{ name }}` stands for a value of the run."""
    files: list[RenderedFile] = []
    """What is written for a run."""
    environment: Environment = {}
    """Variables of every rank; `{{ name }}` stands for a value of the run. The stack's win."""
    honours: list[str] = []
    """Keys of `training` that it goes by; a section stands for all its keys. A recipe that sets
    another one is refused."""
    forecast: bool = False
    """Whether it takes the memory and time that the estimate of our own training gives."""
    quiet_seconds: Annotated[float, Field(gt=0)] | None = None
    """How long it may take from one event to the next once it makes steps; a stack's own
    `gang.silence_seconds` wins."""
    start_seconds: Annotated[float, Field(gt=0)] | None = None
    """How long it may print nothing before its first step; a stack's own `gang.start_seconds` wins.
    Default: as long as it likes."""
    lines: tuple[Line, ...] = ()
    """Lines of text that become events, the first that fits. Our JSON events are read anyway."""
    results: tuple[ResultPath, ...] = ()
    """What rank 0 must have made in the run folder when it exits with 0, as patterns of a shell."""
    proof: Proof = "exit code"
    """What a success rests on. `proved`: the ranks prove before step 1 that they are one group, and
    at the end that they hold the same weights: ours alone. `gang`: for a stack's own script.
    `checked`: every rank reports the same checksum. `exit code`: every rank joined and exited
    with 0."""
    sharded: bool = False
    """With proof `gang`: each rank must hold a part of the model only."""
    share_saves: bool = False
    """What rank 0 alone has of a checkpoint, a folder in `checkpoints/` whose name ends in its
    step, is brought to the other ranks; SPARKCTL_RESUME_FROM names the one that all ranks have."""

    @field_validator("files")
    @classmethod
    def _are_apart(cls, files: list[RenderedFile]) -> list[RenderedFile]:
        for what in ("name", "target", "variable"):
            values = [value for file in files if (value := getattr(file, what)) is not None]
            if twice := [value for value in values if values.count(value) > 1]:
                raise ValueError(f"two files have the {what} {twice[0]}")
        return files

    @field_validator("environment")
    @classmethod
    def _are_free(cls, environment: dict[str, str]) -> dict[str, str]:
        for name in environment:
            if name.startswith("SPARKCTL_"):  # it would replace what the supervisor goes by
                raise ValueError(f"{name}: names that begin with SPARKCTL_ are taken")
        return environment

    @field_validator("honours")
    @classmethod
    def _are_keys(cls, honours: list[str]) -> list[str]:
        known = {key.path.removesuffix("[]") for key in keys_of(TrainingConfig)}
        for key in honours:
            if key not in known:
                raise ValueError(f"training has no key {key}")
        return honours
