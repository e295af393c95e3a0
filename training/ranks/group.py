"""The ranks of this run as one group: they join, compare, and succeed or fail as one."""

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
from training.ranks.store import rendezvous_store

T = TypeVar("T")
Answer = Callable[[], list[int]]
"""Waits for the others' votes: the launched ranks that said yes, the same on every rank."""


@dataclass(frozen=True)
class Group:
    """The process group, and the device that this rank computes on.

    `object_group` is the gloo group that objects travel over. At first its timeout is long:
    downloads and loading may take hours on one node while the other waits. A step must not
    (`with_step_timeout`).
    """

    env: RunEnvironment
    device: torch.device
    object_group: Any = None

    @classmethod
    def join(cls, env: RunEnvironment, parallel: Parallel) -> "Group":
        """Join the other ranks at MASTER_ADDR:MASTER_PORT; a single rank needs no group.

        Raises torch's `DistError` when they do not come within `parallel.timeout`, and
        `ConfigurationError` when rank 0 cannot listen there.
        """
        cuda = torch.cuda.is_available()
        device = torch.device("cuda", env.local_rank) if cuda else torch.device("cpu")
        if cuda:
            torch.cuda.set_device(device)
            # On unified memory too large an allocation hangs the machine (pytorch#174358); with a
            # limit it fails.
            torch.cuda.set_per_process_memory_fraction(parallel.gpu_memory_share, device)
        if env.launched_world_size == 1:
            return cls(env, device)
        rank, world_size = env.launched_rank, env.launched_world_size
        timeout = timedelta(seconds=parallel.timeout)
        where = os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"])
        dist.init_process_group(
            # Objects (proofs, checksums) travel over gloo even where gradients use NCCL.
            "cpu:gloo,cuda:nccl" if cuda else "gloo",
            store=rendezvous_store(*where, rank, world_size, timeout),
            rank=rank,
            world_size=world_size,
            timeout=timeout,
        )
        prepare_timeout = timedelta(seconds=parallel.prepare_timeout)
        return cls(env, device, dist.new_group(backend="gloo", timeout=prepare_timeout))

    def gather(self, value: T) -> list[T]:
        """Everyone's value, in the order of the launched ranks, on every rank."""
        if self.object_group is None:
            return [value]
        values: list[Any] = [None] * self.env.launched_world_size
        dist.all_gather_object(values, value, group=self.object_group)
        return values

    def with_step_timeout(self) -> "Group":
        """The same ranks with the timeout of a training step, `parallel.timeout`."""
        return self if self.object_group is None else replace(self, object_group=dist.group.WORLD)

    def ask(self, yes: bool) -> Answer:
        """Begin to ask where `yes` holds, and do not wait: the answer has the launched ranks.

        Cheap enough for every step, and off a GPU's way: over gloo also where gradients use NCCL.
        """
        votes = torch.zeros(self.env.launched_world_size, dtype=torch.int32)
        votes[self.env.launched_rank] = yes
        asked = None if self.object_group is None else dist.all_reduce(votes, async_op=True)

        def answer() -> list[int]:
            if asked is not None:
                asked.wait()
            return [rank for rank, vote in enumerate(votes.tolist()) if vote]

        return answer

    def run_on_all(self, work: Callable[[], T]) -> T:
        """Run `work` on every rank; if it fails on one, every rank raises and names the node.

        Without this the others would wait for the failed rank until a timeout explains nothing.
        Not for work with collectives inside: the others would wait in those.
        """
        value: T | None = None
        failure: BaseException | None = None
        try:
            value = work()
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException as caught:  # torch's CheckpointException is no Exception
            failure = caught
        reports = self.gather(_report(self.env.node, failure))
        if failure is not None:
            raise failure
        for report in reports:
            if report is not None:
                raise _peer_failure(report)
        return value  # type: ignore[return-value]

    def shutdown(self) -> None:
        """Wait for everyone, then destroy the group; the last thing that a successful run does."""
        if self.object_group is not None:
            dist.barrier(group=self.object_group)
            dist.destroy_process_group()


def _report(node: str, failure: BaseException | None) -> tuple[str, TrainingError] | None:
    return None if failure is None else (node, explain(failure))


def _peer_failure(report: tuple[str, TrainingError]) -> TrainingError:
    """The same kind of failure as the peer's, so that all ranks exit with the same status."""
    node, failure = report
    same = type(failure)(failure.code, f"on {node}: {failure.message}", failure.remedy)
    same.of_peer = True
    return same
