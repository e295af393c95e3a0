"""What is known of a run before it starts: the document of `sparkctl train --dry-run`.

docs/schema/dry-run.json is generated from these models. `foresee` fills them.
"""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from orchestrator.spec.data_report import DataReport

Answer = Literal["fits", "does not fit", "not known"]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class VerdictPart(_Part):
    """Whether the run has a place on these nodes."""

    answer: Answer
    """By the estimate and by what the nodes say of their disks and memory."""
    why: str
    """In words."""
    remedy: list[str]
    """Settings with which it would fit, as `--set` takes them; empty where none is known."""
    nodes: int | None
    """How many such nodes it would fit on as it is; null where it fits, or no number is enough."""


class RankPart(_Part):
    """Which node is which rank."""

    rank: int
    """Its number."""
    node: str
    """Name of the node."""
    address: str
    """Of the fabric; `<node: …>` while the node was not read."""
    interface: str
    """The same of its interface."""


class ImagePart(_Part):
    """The training image."""

    tag: str
    """Its name; the tag is the hash of its contents."""
    base: str
    """What it is built upon."""
    to_build: list[str] | None
    """Nodes that do not have it yet; null when they were not read."""
    to_pull: list[str] | None
    """Nodes that do not have the base image either. Its size is not known before."""


class MemoryPart(_Part):
    """Memory of a node with one rank, by the estimate, for the largest batch that there can be."""

    strategy: Literal["sharded", "ddp"]
    """sharded: the base is split over the ranks (FSDP2). ddp: every rank has all of it."""
    peak_bytes: int
    """At the worst moment."""
    terms_bytes: dict[str, int]
    """What that is made of, the largest first."""
    smallest_node_bytes: int | None
    """null when the nodes were not read."""
    gradient_checkpointing: bool | Literal["selective"]
    """What `auto` means here, or as the recipe says."""
    usable_bytes: int
    """What a run may take of it, or of a Spark where it was not read: the system keeps a tenth."""


class TimePart(_Part):
    """How long the steps take, at most: for full rows. Loading and evaluations come on top."""

    steps_at_most: int | None
    """Optimizer steps; null: it depends on how many rows the data has."""
    tokens_at_most: int | None
    """Of all ranks; null as above."""
    tokens_per_second: float | None
    """Of all ranks on Sparks: estimated, not measured. null where there is no estimate."""
    seconds_at_most: float | None
    """The two divided; null where one of them is."""


class DownloadPart(_Part):
    """What the nodes fetch from elsewhere before the first step."""

    model: str | None
    """null: the model needs no download."""
    bytes_per_node: int | None
    """Its weight files, about; null when that is not known."""
    nodes: list[str] | None
    """Those that do not have it; null when they were not read."""
    data: str | None
    """The dataset, if it is one of the Hub: its size is not known."""


class DiskPart(_Part):
    """Room on a node."""

    needed_bytes: dict[str, int]
    """By what the folder is for, for the nodes that need the most: at least."""
    free_bytes: dict[str, dict[str, int]]
    """By node and folder; empty when they were not read."""


class FindingPart(_Part):
    """What a check before the run says now."""

    check: str
    """Its name, for --skip-check."""
    node: str
    """Where."""
    message: str
    """What is wrong."""
    remedy: str
    """What to do about it."""
    stops: bool
    """Whether the run would be refused."""


class FilePart(_Part):
    """A file as the ranks get it."""

    name: str
    """Of the Docker config."""
    content: str
    """Its text."""


class RenderedPart(_Part):
    """Exactly what would be deployed."""

    compose: str
    """The compose file."""
    configs: list[FilePart]
    """The files of the ranks."""


class DryRun(_Part):
    """The document."""

    apiVersion: Literal["sparkctl/v1"] = "sparkctl/v1"  # noqa: N815
    kind: Literal["DryRun"] = "DryRun"
    run: str
    """A name that the run could have; every dry run makes another one."""
    stack: str
    """The recipe."""
    description: str
    """Its own words."""
    model: str | None
    """The base; null: only the stack's script knows it."""
    verdict: VerdictPart
    ranks: list[RankPart]
    """In order."""
    image: ImagePart
    memory: MemoryPart | None
    """null: the estimate does not understand this model, or does not hold for this engine."""
    time: TimePart | None
    """null: nobody knows how many steps there are before the data is read."""
    download: DownloadPart | None
    """null: only the stack's script knows."""
    disk: DiskPart
    data: DataReport | None = None
    """Its first rows, where this computer has them; null: it has not."""
    secrets: dict[str, str]
    """Where the value of each would come from, in words; never a value."""
    powers: list[str]
    """What the recipe does besides training."""
    notes: list[str]
    """What to know of its engine, such as what a success will rest on."""
    findings: list[FindingPart]
    """What the checks before a run say now; empty also when the nodes were not read."""
    rendered: RenderedPart
    unread: list[dict[str, Any]]
    """Errors of nodes that did not answer; then nothing that only the nodes know is in it."""
