"""`engine.yaml`: what an engine is made of and what it can do, as plain data."""

from typing import Annotated, Literal

from pydantic import Field, field_validator

from orchestrator.spec.base import ApiVersion, Model
from orchestrator.spec.cluster import Environment
from orchestrator.spec.describe import keys_of
from orchestrator.spec.patterns import ENGINE_NAME, FILE, SHORT, TARGET, VARIABLE
from training.contract.config import TrainingConfig

Proof = Literal["proved", "checked", "exit code"]


class RenderedFile(Model):
    """A file that is written for a run, and that every rank finds in its container."""

    name: Annotated[str, Field(pattern=SHORT)]
    """Names it in Docker's store, which has little room: at most ten characters."""
    template: Annotated[str, Field(pattern=FILE)]
    """File in the engine's folder. `{{ name }}` in it stands for a value of the run, as JSON."""
    target: Annotated[str, Field(pattern=TARGET)]
    """Where it is in the container."""
    variable: Annotated[str, Field(pattern=VARIABLE)] | None = None
    """Environment variable that says where it is."""
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
    files: list[RenderedFile] = []
    """What is written for a run."""
    environment: Environment = {}
    """Variables of every rank; `{{ name }}` stands for a value of the run. The stack's win."""
    honours: list[str] = []
    """Keys of `training` that it goes by; a section stands for all its keys. A recipe that sets
    another one is refused."""
    forecast: bool = False
    """Whether it takes the memory and time that the estimate of our own training says."""
    proof: Proof = "exit code"
    """What a success rests on. `proved`: the ranks prove before step 1 that they are one group, and
    at the end that they hold the same weights. `checked`: the latter. `exit code`: every rank
    joined and exited with 0."""

    @field_validator("honours")
    @classmethod
    def _are_keys(cls, honours: list[str]) -> list[str]:
        known = {key.path.removesuffix("[]") for key in keys_of(TrainingConfig)}
        for key in honours:
            if key not in known:
                raise ValueError(f"training has no key {key}")
        return honours
