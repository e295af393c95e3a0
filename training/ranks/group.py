"""The ranks of this run as one group: they meet, compare, and succeed or fail as one."""

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, TypeVar

import torch
import torch.distributed as dist

from training.contract.config import Parallel
from training.contract.environment import RunEnvironment
from training.contract.errors import TrainingError, explain
from training.ranks.store import meeting_store

T = TypeVar("T")


@dataclass(frozen=True)
class Group:
    """The process group, and the device that this rank computes on.

    `meeting` is the gloo group that objects travel over. At first it is a patient one: downloads
    and loading may take hours on one node while the other waits; a step must not (`stepping`).
    """

    env: RunEnvironment
    device: torch.device
    meeting: Any = None

    @classmethod
    def join(cls, env: RunEnvironment, parallel: Parallel) -> "Group":
        """Meet the other ranks at MASTER_ADDR:MASTER_PORT; alone in the world there is no group.

        Raises torch's `DistError` when they do not come within `parallel.timeout`, and
        `ConfigurationError` when rank 0 cannot listen there.
        """
        cuda = torch.cuda.is_available()
        device = torch.device("cuda", env.local_rank) if cuda else torch.device("cpu")
        if cuda:
            torch.cuda.set_device(device)
        if env.launched_world_size == 1:
            return cls(env, device)
        rank, world_size = env.launched_rank, env.launched_world_size
        timeout = timedelta(seconds=parallel.timeout)
        where = os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"])
        dist.init_process_group(
            # Objects (proofs, checksums) travel over gloo even where gradients use NCCL.
            "cpu:gloo,cuda:nccl" if cuda else "gloo",
            store=meeting_store(*where, rank, world_size, timeout),
            rank=rank,
            world_size=world_size,
            timeout=timeout,
        )
        patience = timedelta(seconds=parallel.prepare_timeout)
        return cls(env, device, dist.new_group(backend="gloo", timeout=patience))

    def gather(self, value: T) -> list[T]:
        """Everyone's value, in the order of the launched ranks, on every rank."""
        if self.meeting is None:
            return [value]
        values: list[Any] = [None] * self.env.launched_world_size
        dist.all_gather_object(values, value, group=self.meeting)
        return values

    def stepping(self) -> "Group":
        """The same ranks with the patience of a training step, `parallel.timeout`."""
        return self if self.meeting is None else replace(self, meeting=dist.group.WORLD)

    def who(self, yes: bool) -> list[int]:
        """The launched ranks that say yes, on every rank; cheap enough to be asked every step."""
        votes = torch.zeros(self.env.launched_world_size, dtype=torch.int32)
        votes[self.env.launched_rank] = yes
        if self.meeting is not None:
            dist.all_reduce(votes)  # on the CPU: gloo also where gradients use NCCL
        return [rank for rank, vote in enumerate(votes.tolist()) if vote]

    def together(self, work: Callable[[], T]) -> T:
        """Do `work` on every rank; if it fails on one, every rank raises, and says where and why.

        Without this the others would wait for the failed rank until a timeout explains nothing.
        Not for work with collectives inside: the others would wait in those.
        """
        value: T | None = None
        failure: Exception | None = None
        try:
            value = work()
        except Exception as caught:
            failure = caught
        reports = self.gather(_report(self.env.node, failure))
        if failure is not None:
            raise failure
        for report in reports:
            if report is not None:
                raise _peer_failure(report)
        return value  # type: ignore[return-value]

    def leave(self) -> None:
        """Wait for everyone, then take the group down; the last thing that a good run does."""
        if self.meeting is not None:
            dist.barrier(group=self.meeting)
            dist.destroy_process_group()


def _report(node: str, failure: Exception | None) -> tuple[str, TrainingError] | None:
    return None if failure is None else (node, explain(failure))


def _peer_failure(report: tuple[str, TrainingError]) -> TrainingError:
    """The same kind of failure as the peer's, so that all ranks leave with the same exit status."""
    node, failure = report
    told = type(failure)(failure.code, f"on {node}: {failure.message}", failure.remedy)
    told.of_peer = True
    return told
