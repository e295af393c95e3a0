"""Whether the ranks of a script work together, from what each saw of its own group. Pure.

Launchers fail by training N models: every rank makes steps, its loss falls, it saves and exits with
0. Inside such a rank there may even be a group of N, which nothing uses.
"""

import math
from dataclasses import dataclass, field
from itertools import pairwise

from training.contract.events import Group
from training.contract.verdict import RESTS_ON
from training.gang.messages import Witnessed

NOT_ONE_GANG = "not_one_gang"
NOT_SHARDED = "not_sharded"

_WHOLE = 0.8
"""Share of the model from which on a rank holds all of it: some weights are never sharded."""
_SAME = 1e-4
"""Relative difference of sums over the same gradients, on machines that may differ."""


@dataclass(frozen=True)
class Flaw:
    """Why these ranks are no gang."""

    rank: int
    """The first that shows it."""
    code: str
    message: str


@dataclass
class GangProof:
    """Of one attempt; `add` what the ranks report."""

    world_size: int
    sharded: bool
    _numbers: dict[int, int] = field(default_factory=dict)
    _first: dict[int, Group] = field(default_factory=dict)
    _second: dict[int, Group] = field(default_factory=dict)

    def add(self, rank: int, report: Witnessed) -> Flaw | None:
        """What is wrong by now, if anything."""
        self._numbers[rank] = report.number
        (self._first if report.seen.step == 1 else self._second)[rank] = report.seen
        return self._alone() or self._apart() or self._whole()

    @property
    def rests_on(self) -> str:
        """What a success is, in words."""
        if len(self._first) < self.world_size:
            seen = ", ".join(map(str, sorted(self._first))) or "no rank"
            return f"{RESTS_ON['exit code']} (an optimizer step of torch was seen on: {seen})"
        if self.world_size == 1:
            return f"{RESTS_ON['gang']} (one rank)"
        if not self._works_together():
            return f"{RESTS_ON['exit code']} (the collectives of a step could not be counted)"
        return f"{RESTS_ON['gang']} ({self._words()})"

    def _alone(self) -> Flaw | None:
        """A rank whose own group is not the run's."""
        for rank, seen in sorted(self._first.items()):
            if seen.world_size != self.world_size:
                return Flaw(rank, NOT_ONE_GANG, _alone(seen.world_size, self.world_size))
        return None

    def _apart(self) -> Flaw | None:
        """All are there, but do not communicate."""
        if self.world_size == 1 or len(self._first) < self.world_size:
            return None
        expected = sum(self._numbers.values())
        for rank, seen in sorted(self._first.items()):
            if seen.total != expected:
                return Flaw(rank, NOT_ONE_GANG, "its group is not that of the other ranks")
        if not _same(list(self._first.values())):
            return Flaw(
                0, NOT_ONE_GANG, f"{self.world_size} solo trainings: the ranks had different "
                "gradients at the first optimizer step, which nothing had averaged",
            )  # fmt: skip
        for rank, seen in sorted((self._second or self._first).items()):
            if seen.collectives == 0 and not self._first[rank].wrappers:
                return Flaw(
                    rank, NOT_ONE_GANG, f"{self.world_size} solo trainings: there is a process "
                    "group, but up to the optimizer step the ranks exchanged nothing",
                )  # fmt: skip
        return None

    def _whole(self) -> Flaw | None:
        """A model that was to be sharded."""
        for rank, seen in sorted(self._first.items()):
            if (
                self.sharded
                and self.world_size > 1
                and seen.local_parameters > _WHOLE * seen.parameters
            ):
                return Flaw(
                    rank, NOT_SHARDED, f"it holds {seen.local_parameters:,} of the model's "
                    f"{seen.parameters:,} weights, so the model is not sharded",
                )  # fmt: skip
        return None

    def _works_together(self) -> bool:
        return all(
            seen.wrappers or (self._second.get(rank, seen).collectives or 0) > 0
            for rank, seen in self._first.items()
        )

    def _words(self) -> str:
        seen = self._first[0]
        how = ", ".join(seen.wrappers) or "collectives of its own"
        part = (
            f", {seen.local_parameters:,} of {seen.parameters:,} weights on a rank"
            if seen.local_parameters < seen.parameters
            else ""
        )
        return f"{seen.world_size} ranks, {seen.backend}, {how}{part}"


def _alone(seen: int, wanted: int) -> str:
    if seen == 1:
        return (
            f"{wanted} solo trainings: at its first optimizer step it had no group with the others"
        )
    return f"at its first optimizer step its group had {seen} ranks, the run has {wanted}"


def _same(groups: list[Group]) -> bool:
    """Whether the gradients are the same on all ranks that have whole ones."""
    sums = [seen.gradients for seen in groups if seen.gradients is not None]
    return all(
        math.isclose(one, other, rel_tol=_SAME, abs_tol=1e-12)
        for (_, one), (_, other) in pairwise(sums)
    )
