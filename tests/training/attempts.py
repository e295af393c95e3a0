"""Ranks that can be stopped and started again: real processes, groups and signals."""

import json
import os
import signal
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any

from forked import fork, meeting
from two_nodes import DEADLINE, E, free_port, secrets_of

from training.contract.events import Step, parse


@dataclass
class Gang:
    """The ranks of one attempt."""

    run: "Run"
    processes: list[ForkServerProcess]

    def reach(self, step: int) -> None:
        """Wait until rank 0 has told this step, or the attempt is over."""
        end = time.monotonic() + DEADLINE
        while all(process.exitcode is None for process in self.processes):
            if any(told.step >= step for told in self.run.events(0, Step)):
                return
            assert time.monotonic() < end, f"step {step} did not come"
            self.processes[0].join(timeout=0.01)

    def signal(self, number: signal.Signals, rank: int) -> None:
        """Send it to one rank; the others must notice by themselves."""
        if (process := self.processes[rank]).pid and process.exitcode is None:
            os.kill(process.pid, number)

    def end(self) -> list[int | None]:
        """Wait for all; their exit statuses, minus the signal where one killed."""
        for process in self.processes:
            process.join(timeout=DEADLINE)
        return [process.exitcode for process in self.processes]


@dataclass(frozen=True)
class Run:
    """One run folder per rank, in which any number of attempts follow each other."""

    folder: Path
    caches: Path
    config: Mapping[str, Any]
    world_size: int

    @contextmanager
    def attempt(self, config: Mapping[str, Any] | None = None) -> Iterator[Gang]:
        """Start all ranks; none of them outlives the block."""
        port, processes = free_port(), []
        for rank in range(self.world_size):
            node = self.node(rank)
            (node / "run").mkdir(parents=True, exist_ok=True)
            (node / "training.json").write_text(json.dumps(config or self.config))
            processes.append(fork(node, self._environ(rank, port)))
        try:
            yield Gang(self, processes)
        finally:
            for process in processes:
                process.kill()
                process.join()

    def finish(self, config: Mapping[str, Any] | None = None) -> list[int | None]:
        """One attempt that nobody disturbs; the exit statuses."""
        with self.attempt(config) as gang:
            return gang.end()

    def node(self, rank: int) -> Path:
        """The folder of the node of this rank."""
        return self.folder / f"node-{rank}"

    def checkpoints(self, rank: int) -> Path:
        """Where this rank keeps its parts."""
        return self.node(rank) / f"run/checkpoints/rank{rank}"

    def steps(self, rank: int) -> list[int]:
        """The checkpoints that this rank has."""
        found = self.checkpoints(rank).glob("step-*")
        return sorted(int(path.name.removeprefix("step-")) for path in found)

    def events(self, rank: int, kind: type[E]) -> list[E]:
        """All that this rank has told in all attempts, of one kind."""
        file = self.node(rank) / f"run/metrics-rank{rank}.jsonl"
        lines = file.read_text().splitlines() if file.exists() else []
        return [event for line in lines if isinstance(event := parse(line), kind)]

    def stderr(self, rank: int) -> str:
        """What this rank wrote there in its last attempt."""
        return (self.node(rank) / "stderr").read_text()

    def _environ(self, rank: int, port: int) -> dict[str, str]:
        node = self.node(rank)
        return {
            "SPARKCTL_RUN_ID": "test",
            "SPARKCTL_SECRETS_DIR": str(secrets_of(node)),
            "SPARKCTL_NODE": node.name,
            "SPARKCTL_RANK": str(rank),
            "SPARKCTL_WORLD_SIZE": str(self.world_size),
            "SPARKCTL_RUN_DIR": str(node / "run"),
            "SPARKCTL_CACHE_DIR": str(self.caches / node.name),
            "SPARKCTL_DATA_DIR": str(self.caches / "data"),
        } | meeting(rank, self.world_size, port)
