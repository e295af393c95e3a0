"""What a check is: it looks at what was read, reports what is wrong, and never changes anything.

Four kinds, by what they look at. Each is written as a function with a decorator:

    @OfMachine.about("gpu", before=("up",), order=220, why="…", fix="…")
    def gpu_is_there(facts: Facts, spec: ClusterSpec) -> Iterator[Problem]:
        if not facts.gpus:
            yield Problem(f"nvidia-smi shows no GPU on {facts.node}")

A file of this folder that does so is enough: see `found`.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Generic, Literal, TypeVar

from orchestrator.doctor.readiness import NodeReadiness, Wanted
from orchestrator.facts.machine import Facts
from orchestrator.resources.base import World
from orchestrator.spec.cluster import ClusterSpec
from orchestrator.stack.ranks import Rank

Command = Literal["up", "down", "train"]
Look = TypeVar("Look", bound=Callable[..., Any])


@dataclass(frozen=True)
class Problem:
    """One thing that is not as it should be."""

    message: str
    details: str | None = None
    """Literal lines of the machine."""
    fix: str = ""
    """Where it depends on what was found; else that of the check."""
    stops: bool = True
    """False: the command continues and prints it."""


@dataclass(frozen=True, kw_only=True)
class About:
    """What docs/checks.md shows of a check."""

    name: str
    """The word for `--skip-check`, before a run; several checks may share one."""
    before: tuple[Command, ...]
    """`up` means `plan` and `status` too."""
    why: str
    """What goes wrong otherwise."""
    fix: str
    """What to do about it."""
    order: int
    """They are asked from the lowest on."""
    warns: bool
    """A warning only: it stops nothing."""


@dataclass(frozen=True)
class Check(About, Generic[Look]):
    """A check: what it is about, and the function that looks."""

    look: Look

    @classmethod
    def about(
        cls,
        name: str,
        *,
        before: tuple[Command, ...],
        why: str,
        fix: str,
        order: int = 900,
        warns: bool = False,
    ) -> Callable[[Look], "Check[Look]"]:
        """The decorator; keys as `About` has them."""
        return partial(cls, name=name, before=before, why=why, fix=fix, order=order, warns=warns)


class OfMachine(Check[Callable[[Facts, ClusterSpec], Iterator[Problem]]]):
    """Looks at one machine. The first problem of every machine is reported."""


class OfCluster(Check[Callable[[ClusterSpec, World], Iterator[tuple[str | None, Problem]]]]):
    """Looks at all machines; names the one it is about, None for several."""


class OfRank(Check[Callable[[Wanted, Rank, NodeReadiness], Iterator[Problem]]]):
    """Looks at a rank's machine just before a run."""


class OfGang(Check[Callable[[Mapping[str, NodeReadiness]], Iterator[tuple[str, Problem]]]]):
    """Looks at all machines of a run, and names the one it is about."""
