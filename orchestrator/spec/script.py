"""`script:` of a stack: somebody's own training script, and how each rank starts it."""

from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from orchestrator.spec.base import Model
from orchestrator.spec.patterns import ACCELERATE, MOUNT_SOURCE, PATH, TARGET
from training.gang.engine import Line, ResultPath

KINDS = ("ddp", "fsdp-full", "fsdp-lora")
"""Configurations of accelerate that are rendered here; any other one is a file."""
NODE_FOLDER = "/sparkctl/script"
"""Where `node_folder` is in the container."""
_OURS = ("/sparkctl", "/opt/sparkctl", "/run", "/proc", "/sys", "/dev", "/etc", "/usr", "/tmp")


class Mount(Model):
    """A file or folder of each node that the ranks see."""

    source: Annotated[str, Field(pattern=MOUNT_SOURCE)]
    """Path on every node: absolute, or in the login user's home (`~/data`)."""
    target: Annotated[str, Field(pattern=TARGET)]
    """Absolute path in the container."""
    read_only: bool = True
    """Whether the script may only read it."""

    @field_validator("target")
    @classmethod
    def _is_free(cls, target: str) -> str:
        for ours in _OURS:
            if target == ours or target.startswith(f"{ours}/"):
                raise ValueError(f"{ours} belongs to sparkctl or the image; mount it elsewhere")
        return target


class ScriptSpec(Model):
    """What each rank starts. One process per node."""

    folder: str | None = None
    """Folder on this computer that has the script, relative to the stack file; it goes into the
    image, hidden files excepted."""
    node_folder: Annotated[str, Field(pattern=MOUNT_SOURCE)] | None = None
    """The same, but the folder is already on every node; ranks only read it."""
    file: Annotated[str, Field(pattern=PATH)]
    """The script, by its path in that folder."""
    args: list[str] = []
    """Its arguments; `{{ name }}` stands for a value of the run, such as `{{ checkpoints }}`."""
    launcher: Literal["accelerate", "torchrun", "python"] = "accelerate"
    """What starts it: `accelerate launch`, `torchrun`, or Python itself (RANK, WORLD_SIZE,
    MASTER_ADDR and MASTER_PORT are set)."""
    accelerate: Annotated[str, Field(pattern=ACCELERATE)] = "ddp"
    """`ddp`, `fsdp-full` or `fsdp-lora`, or a configuration file of your own on this computer,
    relative to the stack file. Machines, ranks and addresses in it are replaced."""
    mixed_precision: Literal["no", "bf16", "fp16"] | None = None
    """For accelerate; default: as the file says, else `no`."""
    sharded: bool | None = None
    """Whether each rank must hold a part of the model only; checked at the first steps. Default:
    with FSDP, where accelerate configures it."""
    requirements: list[str] | None = None
    """Packages to install into the image, as pip has them. Default: requirements.txt of `folder`;
    without one, those of sparkctl's own training."""
    mounts: list[Mount] = []
    """More files and folders of the nodes."""
    lines: list[Line] = []
    """Lines of text that show progress, as for an engine; the trainer of transformers is
    understood without."""
    results: list[ResultPath] = []
    """What rank 0 must have made in the run folder when it exits with 0, as patterns of a shell."""
    proof: Literal["gang", "exit code"] = "gang"
    """What a success rests on. `gang`: seen from inside the process at its first optimizer steps,
    the ranks were one group and worked together. `exit code`: nothing is looked at."""

    @model_validator(mode="after")
    def _is_in_one_place(self) -> Self:
        if (self.folder is None) == (self.node_folder is None):
            raise ValueError(
                "one of folder (on this computer) and node_folder (on the nodes) is needed"
            )
        return self

    @field_validator("mounts")
    @classmethod
    def _are_apart(cls, mounts: list[Mount]) -> list[Mount]:
        targets = [mount.target for mount in mounts]
        if twice := [target for target in targets if targets.count(target) > 1]:
            raise ValueError(f"two mounts have the target {twice[0]}")
        return mounts

    @property
    def binds(self) -> list[Mount]:
        """All that it needs of the nodes."""
        if self.node_folder is None:
            return self.mounts
        folder = Mount.model_construct(source=self.node_folder, target=NODE_FOLDER, read_only=True)
        return [folder, *self.mounts]

    @property
    def own_accelerate(self) -> bool:
        """Whether accelerate's configuration is a file of this computer."""
        return self.accelerate not in KINDS
