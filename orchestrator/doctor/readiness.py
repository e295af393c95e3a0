"""What checks before a run look at: what the run needs, and how ready each machine is."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from orchestrator.node.software import Software

if TYPE_CHECKING:  # of a run; the checks before `up` need none of it
    from orchestrator.spec.stack import StackSpec
    from orchestrator.stack.ranks import Rank
    from training.plan.memory import Memory


@dataclass(frozen=True)
class Wanted:
    """What a run asks of its machines."""

    stack: "StackSpec"
    ranks: "Sequence[Rank]"
    memory: "Memory | None"
    """What a node needs; None for a model whose shape is not known here."""
    usable: int | None
    """Bytes of the smallest node that a run may use; None where memory is not known either."""
    checkpoint: int
    """Bytes of the base's weight files, about; 0 where they are not known."""


@dataclass(frozen=True)
class NodeReadiness:
    """One machine. None: it is not known."""

    asked: float
    """This computer's clock in the middle of the round trip, seconds since the epoch."""
    span: float
    """Seconds that the round trip took: no clock is known better than that."""
    clock: float | None
    gpu_answers: bool
    gpu_users: tuple[str, ...]
    memory: int | None
    """MemAvailable in bytes; the page cache counts as available."""
    disk: Mapping[str, int]
    """Free bytes by what the folder is for."""
    ports_taken: tuple[int, ...]
    base: str | None
    """ID of the base image; None where it is still to come."""
    image: str | None
    """ID of the run's own image, likewise."""
    model: bool | None
    """Whether it is in the machine's cache; None when that does not matter."""
    peers: tuple[str, ...]
    """Machines that answer over the fabric."""
    missing: tuple[str, ...]
    """Folders that the container binds and that are not there."""
    shut: tuple[str, ...] = ()
    """Ports of rank 0 that nothing comes back from, as `tcp ADDRESS PORT`."""
    uplinks: tuple[str, ...] = ()
    """Interfaces that lead to everywhere else."""
    software: Software | None = None
    memory_total: int | None = None
    """MemTotal in bytes."""
