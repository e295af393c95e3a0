"""Ranks as processes on one computer: real groups and signals, nothing shared but loopback.

Attempts can be stopped and started again. Each rank has a folder that stands for its node; caches
outlive a run, as on real nodes, so that the base model is made once for all tests.
"""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any, TypeVar

from tests.support.clusters import ROOT
from tests.support.ranks.forked import fork, meeting
from training.contract.environment import NONCE
from training.contract.events import Step, parse

E = TypeVar("E")
Process = subprocess.Popen[bytes] | ForkServerProcess

DEADLINE = 300
"""Seconds that a rank may take on a busy computer, base model included."""
ACCELERATE = """\
compute_environment: LOCAL_MACHINE
distributed_type: MULTI_GPU
use_cpu: false
rdzv_backend: static
same_network: true
num_machines: {world_size}
num_processes: {world_size}
machine_rank: {rank}
main_process_ip: 127.0.0.2
main_process_port: {port}
"""


@dataclass
class Attempt:
    """The ranks of one attempt."""

    run: "Run"
    processes: list[Process]

    def reach(self, step: int) -> None:
        """Wait until rank 0 has told this step, or the attempt is over."""
        end = time.monotonic() + DEADLINE
        while all(_status(process) is None for process in self.processes):
            if any(told.step >= step for told in self.run.events(0, Step)):
                return
            assert time.monotonic() < end, f"step {step} did not come"
            _wait(self.processes[0], 0.01)

    def signal(self, number: signal.Signals, rank: int) -> None:
        """Send it to one rank; the others must notice by themselves."""
        if (process := self.processes[rank]).pid and _status(process) is None:
            os.kill(process.pid, number)

    def end(self) -> list[int | None]:
        """Wait for all; their exit statuses, minus the signal where one killed."""
        for process in self.processes:
            _wait(process, DEADLINE)
        return [_status(process) for process in self.processes]


@dataclass(frozen=True)
class Run:
    """One run folder per rank, in which any number of attempts follow each other."""

    folder: Path
    caches: Path
    config: Mapping[str, Any]
    world_size: int
    environ: Mapping[int, Mapping[str, str]] = field(default_factory=dict)
    """What the environment of some ranks has besides, or other."""
    entry_point: bool = False
    """Start as a container does: a shell, accelerate's file, a fresh Python. Else forks."""

    @contextmanager
    def attempt(self, config: Mapping[str, Any] | None = None) -> Iterator[Attempt]:
        """Start all ranks; none of them outlives the block."""
        start = _start if self.entry_point else fork
        port, processes = free_port(), list[Process]()
        try:
            for rank in range(self.world_size):
                node = self.node(rank)
                node.mkdir(parents=True, exist_ok=True)
                (node / "training.json").write_text(json.dumps(config or self.config))
                accelerate = ACCELERATE.format(world_size=self.world_size, rank=rank, port=port)
                (node / "accelerate.yaml").write_text(accelerate)
                met = {} if self.entry_point else meeting(rank, self.world_size, port)
                environ = met | self._environ(rank) | dict(self.environ.get(rank, {}))
                processes.append(start(node, environ))
            yield Attempt(self, processes)
        finally:
            for process in processes:
                process.kill()
            for process in processes:
                _wait(process, DEADLINE)

    def finish(self, config: Mapping[str, Any] | None = None) -> list[int | None]:
        """One attempt that nobody disturbs; the exit statuses."""
        with self.attempt(config) as attempt:
            return attempt.end()

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

    def _environ(self, rank: int) -> dict[str, str]:
        node = self.node(rank)
        inherited = {k: v for k, v in os.environ.items() if not k.startswith(("SPARKCTL_", "HF_"))}
        return (
            inherited
            | told(node.name, rank, self.world_size, node / "run", secrets_of(node))
            | {
                "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
                "HOME": str(node),
                "OMP_NUM_THREADS": "1",
                "SPARKCTL_CACHE_DIR": str(self.caches / node.name),
                "SPARKCTL_DATA_DIR": str(self.caches / "data"),
                "SPARKCTL_TRAINING_CONFIG": str(node / "training.json"),
                "SPARKCTL_ACCELERATE_CONFIG": str(node / "accelerate.yaml"),
            }
        )


def told(node: str, rank: int, world_size: int, run_dir: Path, secrets: Path) -> dict[str, str]:
    """What the environment of every rank says of it, whatever runs there."""
    others = os.environ.get("PYTHONPATH", "").split(os.pathsep)  # of a machine without our .venv
    return {
        "PYTHONPATH": os.pathsep.join([str(ROOT), *filter(None, others)]),
        "SPARKCTL_RUN_ID": "test",
        "SPARKCTL_SECRETS_DIR": str(secrets),
        "SPARKCTL_NODE": node,
        "SPARKCTL_RANK": str(rank),
        "SPARKCTL_WORLD_SIZE": str(world_size),
        "SPARKCTL_RUN_DIR": str(run_dir),
    }


def _start(node: Path, environ: dict[str, str]) -> "subprocess.Popen[bytes]":
    with (node / "stdout").open("wb") as stdout, (node / "stderr").open("wb") as stderr:
        return subprocess.Popen(
            ["nice", "sh", str(ROOT / "entrypoints/accelerate.sh")],
            env=environ,
            stdout=stdout,
            stderr=stderr,
        )


def _status(process: Process) -> int | None:
    return process.poll() if isinstance(process, subprocess.Popen) else process.exitcode


def _wait(process: Process, seconds: float) -> None:
    """Until it has ended, but not longer."""
    if isinstance(process, subprocess.Popen):
        with suppress(subprocess.TimeoutExpired):
            process.wait(seconds)
    else:
        process.join(seconds)


def secrets_of(node: Path) -> Path:
    """The folder of the secrets of a rank on this node, with the nonce in it."""
    folder = node / "secrets"
    folder.mkdir(exist_ok=True)
    (folder / NONCE).write_text("of-this-attempt")
    return folder


def free_port() -> int:
    """A port of loopback that nobody uses now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
