"""`stacks/*.yaml`: what a training run is."""

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from orchestrator.spec.base import ApiVersion, Misfit, Model
from orchestrator.spec.cluster import Environment
from orchestrator.spec.patterns import ENGINE, SECRET, STACK_NAME
from orchestrator.spec.script import ScriptSpec
from orchestrator.spec.units import SharedMemory
from training.contract.config import TrainingConfig
from training.gang.config import GangConfig

SCRIPT = "script"
"""The engine that starts a script of the user's own."""


class NodesNeeded(Model):
    """How many machines the stack runs on, one rank each; a plain number is exactly that many."""

    min: Annotated[int, Field(ge=1)] = 1
    """Fewest machines that the stack makes sense on."""
    max: Annotated[int, Field(ge=1)] | None = None
    """Default: all nodes of the cluster."""

    @model_validator(mode="before")
    @classmethod
    def _exactly(cls, value: object) -> object:
        """`nodes: 2` is two, neither fewer nor more."""
        is_number = isinstance(value, int) and not isinstance(value, bool)
        return {"min": value, "max": value} if is_number else value


class SecretSpec(Model):
    """A secret that the run needs. Its value never leaves Docker's secret store on the nodes."""

    name: Annotated[str, Field(pattern=SECRET, max_length=26)]
    """Environment variable on this computer that holds the value; file name in /run/secrets."""
    file: str | None = None
    """File on this computer that holds the value when the environment does not; mode 600."""
    required: bool = False
    """Refuse to start without it."""

    @field_validator("name")
    @classmethod
    def _not_ours(cls, name: str) -> str:
        if name.startswith("SPARKCTL_"):
            raise ValueError("names that begin with SPARKCTL_ are taken")
        return name


class StackSpec(Model):
    """The whole file."""

    apiVersion: ApiVersion  # noqa: N815 - the name is the API's
    kind: Literal["Stack"]
    name: Annotated[str, Field(pattern=STACK_NAME)]
    """Begins the name of every run; Docker's configs and services have room for 30 characters."""
    description: str
    """One line for people."""
    engine: Annotated[str, Field(pattern=ENGINE)] = "torch"
    """What trains: `torch` (once called `accelerate`) is ours; `script` starts a script of your
    own; another is the path of its folder, such as `./my-engine`, beside the stack file."""
    base_image: str | None = None
    """Image that the training image is built upon; default: the cluster's container.base_image."""
    nodes: NodesNeeded = NodesNeeded()
    secrets: list[SecretSpec] = []
    """Secrets that the run needs."""
    env: Environment = {}
    """More environment variables for every rank."""
    flush_page_cache: bool = False
    """Drop the page cache of every node before the run (needs root): on unified memory it
    competes with the GPU."""
    shm: SharedMemory | None = None
    """Size of /dev/shm; default: the cluster's container.shm."""
    stop_grace_seconds: Annotated[int, Field(ge=1, le=3600)] = 30
    """Seconds between SIGTERM, at which the ranks save after the current step, and SIGKILL."""
    gang: GangConfig = GangConfig()
    """How the ranks live and die together: training/gang/config.py."""
    training: TrainingConfig | None = None
    """What runs inside; every engine but `script` needs it."""
    script: ScriptSpec | None = None
    """What runs inside with the engine `script`, which needs it: docs/scripts.md."""

    @property
    def engine_folder(self) -> Path | None:
        """Where its engine is; None: it is one of sparkctl's."""
        return Path(self.engine) if "/" in self.engine else None

    @model_validator(mode="after")
    def _has_what_its_engine_takes(self) -> Self:
        taken, other = ("script", "training") if self.engine == SCRIPT else ("training", "script")
        if getattr(self, taken) is None:
            raise Misfit(f"this key is missing; the engine {self.engine} needs it", taken)
        if getattr(self, other) is not None:
            raise Misfit(f"the engine {self.engine} does not take it, but {taken}", other)
        return self

    @model_validator(mode="after")
    def _names_are_known_and_free(self) -> Self:
        known = {secret.name for secret in self.secrets}
        for name in self.env:
            if name.startswith("SPARKCTL_"):  # it would replace what the supervisor goes by
                raise Misfit("names that begin with SPARKCTL_ are taken", "env", name)
        for number, hook in enumerate(self.gang.hooks):
            if hook.url_secret and hook.url_secret not in known:
                unknown = f"{hook.url_secret} is not one of the secrets"
                raise Misfit(unknown, "gang", "hooks", number, "url_secret")
        return self
