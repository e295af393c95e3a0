"""What a lab should be."""

import re
from dataclasses import dataclass
from pathlib import Path

from orchestrator.errors import LabError
from orchestrator.lab import cluster_file, labels, node_image

MAX_NODES = 26


@dataclass(frozen=True)
class LabSpec:
    """What a lab should be."""

    name: str = "lab"
    nodes: int = 2
    suite: str = "forky"
    """Debian suite of the nodes, which decides their engine:
    forky 28.5, trixie 26.1, bookworm 20.10.

    `trixie,bookworm` is one for each node, in their order; the last one is for all that follow.
    """
    out: Path = Path("cluster.yaml")
    """The cluster file; the state folder `.lab/<name>` is beside it."""
    train_image: bool = True
    """Whether every node begins with the training base image."""

    @property
    def suites(self) -> list[str]:
        """The suite of every node."""
        named = self.suite.split(",")
        return [named[min(index, len(named) - 1)] for index in range(self.nodes)]

    @property
    def state(self) -> Path:
        """Folder of the keys and the password."""
        return state_folder(self.out.absolute(), self.name)


def state_folder(out: Path, lab: str) -> Path:
    """Where a lab whose cluster file is `out` keeps its keys."""
    return out.parent / ".lab" / lab


def check_name(lab: str) -> None:
    """Raise LabError for a name that cannot be a lab's; it becomes part of paths."""
    if not re.fullmatch(r"[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?", lab):
        raise LabError(
            f"{lab!r} cannot be the name of a lab",
            resolution="Use lower-case letters, digits and dashes, at most 40.",
        )
    if lab == labels.SHARED:
        raise LabError(f"`{labels.SHARED}` is what all labs use; choose another name")


def check(spec: LabSpec) -> None:
    """Raise LabError for what needs no engine to be seen as wrong."""
    check_name(spec.name)
    if not 1 <= spec.nodes <= MAX_NODES:
        raise LabError(f"a lab has 1 to {MAX_NODES} nodes, not {spec.nodes}")
    unknown = sorted(set(spec.suite.split(",")) - set(node_image.EXTRA_PACKAGES))
    if unknown:
        known = ", ".join(node_image.EXTRA_PACKAGES)
        raise LabError(f"there is no engine {unknown[0]!r} for a node; there are {known}")
    if spec.suite.count(",") >= spec.nodes:
        raise LabError(f"{spec.suite} are more engines than the lab has nodes ({spec.nodes})")
    cluster_file.ensure_not_foreign(spec.out.absolute(), spec.name)
