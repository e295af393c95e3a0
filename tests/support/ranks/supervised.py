"""Supervisors as processes, each around the process of a rank, over real sockets."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.support.ranks.run import free_port, told

DEADLINE = 60
"""Seconds; ranks here train nothing."""


@dataclass
class Gang:
    """Supervisors that are started again while they exit with something else than 0, as Swarm would
    do with their containers (`restart_policy: on-failure`)."""

    folder: Path
    secrets: Path
    """As /run/secrets of every container."""
    program: Path
    """What each supervises: a Python file."""
    plan: Mapping[str, Any]
    """Its argument."""
    config: Mapping[str, Any]
    world_size: int = 2
    command: Sequence[str] = ()
    """What each supervises instead of the program."""
    environ: Mapping[str, str] = field(default_factory=dict)
    """More variables of every container."""
    engine: Mapping[str, Any] | None = None
    """How an engine that is not ours is read."""
    deadline: float = DEADLINE
    port: int = field(default_factory=free_port)
    processes: dict[int, "subprocess.Popen[bytes]"] = field(default_factory=dict)
    starts: int = 0

    def start(self, rank: int) -> None:
        folder = self.node(rank)
        folder.mkdir(parents=True, exist_ok=True)
        environ = told(f"node-{rank}", rank, self.world_size, folder, self.secrets) | {
            "PATH": os.environ["PATH"],
            "SPARKCTL_RUN_FOLDER": f"/home/of-{rank}/runs/test",
            "SPARKCTL_NODES": ",".join(f"node-{rank}" for rank in range(self.world_size)),
            "SPARKCTL_GANG_ADDRESS": f"127.0.0.1:{self.port}",
            "SPARKCTL_GANG": json.dumps(self.config),
            "SPARKCTL_SECRET_ENV": "A_KEY",
            **({"SPARKCTL_ENGINE": json.dumps(self.engine)} if self.engine else {}),
            **self.environ,
        }
        child = self.command or [sys.executable, str(self.program), json.dumps(self.plan)]
        with self.out(rank).open("ab") as out:
            self.processes[rank] = subprocess.Popen(
                [sys.executable, "-m", "training.gang", *child], env=environ, stdout=out, stderr=out
            )
        self.starts += 1

    def run(self, meanwhile: Callable[["Gang"], bool] = lambda _: True) -> list[dict[str, Any]]:
        """Until every supervisor says that nothing more is to be started; the verdicts that there
        are.

        `meanwhile` is called until it says that it is done.
        """
        for rank in range(self.world_size):
            self.start(rank)
        end, done = time.monotonic() + self.deadline, False
        while True:
            done = done or meanwhile(self)
            codes = {rank: process.poll() for rank, process in self.processes.items()}
            if all(code == 0 for code in codes.values()):
                ranks = range(self.world_size)
                return [self.verdict(rank) for rank in ranks if self.verdict_file(rank).exists()]
            for rank, code in codes.items():
                if code:
                    self.start(rank)
            assert time.monotonic() < end, [self.said(rank) for rank in self.processes]
            next(iter(self.processes.values())).poll()
            time.sleep(0.02)

    def node(self, rank: int) -> Path:
        return self.folder / f"node-{rank}"

    def said(self, rank: int) -> str:
        return self.out(rank).read_text()

    def out(self, rank: int) -> Path:
        return self.folder / f"out-{rank}"

    def verdict(self, rank: int) -> dict[str, Any]:
        verdict: dict[str, Any] = json.loads(self.verdict_file(rank).read_text())
        return verdict

    def verdict_file(self, rank: int) -> Path:
        return self.node(rank) / f"verdict-rank{rank}.json"

    def attempts(self, rank: int) -> list[dict[str, Any]]:
        lines = (self.node(rank) / f"attempts-rank{rank}.jsonl").read_text().splitlines()
        return [fields for line in lines if "end" in (fields := json.loads(line))]

    def reached(self, rank: int, step: int) -> bool:
        file = self.node(rank) / f"heartbeat-rank{rank}.json"
        try:
            return (json.loads(file.read_text())["step"] or 0) >= step
        except (OSError, ValueError):
            return False
