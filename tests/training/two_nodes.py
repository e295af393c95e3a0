"""Two nodes on one computer: real processes and groups, nothing shared but loopback."""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any, TypeVar

from forked import fork, meeting

from training.contract.environment import NONCE
from training.contract.events import parse

E = TypeVar("E")

ROOT = Path(__file__).parents[2]
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
TINY: dict[str, dict[str, Any]] = {
    "model": {"name": "builtin:tiny-llama", "dtype": "float32"},
    "method": {"kind": "lora", "r": 8, "alpha": 16},
    "data": {
        "name": "builtin:instructions",
        "template": "plain",
        "held_out_rows": 48,
        "max_length": 128,
    },
    "optim": {"lr": 5e-3, "warmup_steps": 2},
    "parallel": {"strategy": "sharded", "timeout": 60, "prepare_timeout": 120},
    "loop": {"max_steps": 20, "per_device_batch_size": 8},
}


def recipe(changes: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """The tiny recipe with other values of some keys; a method has keys of its own, and is given
    whole."""
    methods = {name: dict(values) for name, values in changes.items() if name == "method"}
    return {name: TINY[name] | dict(changes.get(name, {})) for name in TINY} | methods


@dataclass(frozen=True)
class Rank:
    """How one rank ended, and all that it said."""

    status: int
    stdout: list[str]
    stderr: str
    run_dir: Path
    cache_dir: Path

    def events(self, kind: type[E]) -> list[E]:
        """Its events of one kind, in order."""
        return [event for line in self.stdout if isinstance(event := parse(line), kind)]


@dataclass(frozen=True)
class Nodes:
    """Starts one rank per node, each with folders of its own.

    The caches outlive a run, as on real nodes: the base model is built once per test session.
    """

    caches: Path
    new_folder: Callable[[], Path]

    def run(
        self,
        *,
        world_size: int = 2,
        environ: Mapping[int, Mapping[str, str]] | None = None,
        config: Mapping[str, Mapping[str, Any]] | None = None,
        entry_point: bool = False,
    ) -> list[Rank]:
        """Train the tiny recipe, changed by `config`; `environ` changes the environment by rank.

        With `entry_point` as a container does it: a shell, accelerate's file, a fresh Python.
        """
        start = _start if entry_point else fork
        run, port = self.new_folder(), free_port()
        ranks: list[subprocess.Popen[bytes] | ForkServerProcess] = []
        document = recipe(config or {})
        try:
            for rank in range(world_size):
                node = run / f"node-{rank}"
                node.mkdir()
                (node / "training.json").write_text(json.dumps(document))
                accelerate = ACCELERATE.format(world_size=world_size, rank=rank, port=port)
                (node / "accelerate.yaml").write_text(accelerate)
                told = self._environ(node, rank, world_size) | dict((environ or {}).get(rank, {}))
                met = {} if entry_point else meeting(rank, world_size, port)
                ranks.append(start(node, met | told))
            statuses = [_status(process) for process in ranks]
        finally:
            _end(ranks)
        return [self._read(run / f"node-{i}", i, status) for i, status in enumerate(statuses)]

    def _environ(self, node: Path, rank: int, world_size: int) -> dict[str, str]:
        inherited = {k: v for k, v in os.environ.items() if not k.startswith(("SPARKCTL_", "HF_"))}
        return inherited | {
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT),
            "HOME": str(node),
            "OMP_NUM_THREADS": "1",
            "SPARKCTL_RUN_ID": "test",
            "SPARKCTL_SECRETS_DIR": str(secrets_of(node)),
            "SPARKCTL_NODE": node.name,
            "SPARKCTL_RANK": str(rank),
            "SPARKCTL_WORLD_SIZE": str(world_size),
            "SPARKCTL_RUN_DIR": str(node / "run"),
            "SPARKCTL_CACHE_DIR": str(self.caches / node.name),
            "SPARKCTL_DATA_DIR": str(self.caches / "data"),
            "SPARKCTL_TRAINING_CONFIG": str(node / "training.json"),
            "SPARKCTL_ACCELERATE_CONFIG": str(node / "accelerate.yaml"),
        }

    def _read(self, node: Path, rank: int, status: int) -> Rank:
        return Rank(
            status=status,
            stdout=(node / "stdout").read_text().splitlines(),
            stderr=(node / "stderr").read_text(),
            run_dir=node / "run",
            cache_dir=self.caches / f"node-{rank}",
        )


def _start(node: Path, environ: dict[str, str]) -> "subprocess.Popen[bytes]":
    with (node / "stdout").open("wb") as stdout, (node / "stderr").open("wb") as stderr:
        return subprocess.Popen(
            ["nice", "sh", str(ROOT / "entrypoints/accelerate.sh")],
            env=environ,
            stdout=stdout,
            stderr=stderr,
        )


def _status(process: "subprocess.Popen[bytes] | ForkServerProcess") -> int:
    """Its exit status, once it has ended."""
    if isinstance(process, subprocess.Popen):
        return process.wait(timeout=DEADLINE)
    process.join(timeout=DEADLINE)
    assert process.exitcode is not None, f"no end within {DEADLINE} s"
    return process.exitcode


def _end(ranks: list["subprocess.Popen[bytes] | ForkServerProcess"]) -> None:
    """Nothing outlives a test."""
    for process in ranks:
        process.kill()
    for process in ranks:
        _status(process)


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
