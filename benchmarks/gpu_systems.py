"""The systems that the GPU benchmark compares: each a process of its own that tells its steps."""

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from queue import Empty, Queue
from statistics import fmean, median
from typing import Any

from tests.support.ranks.run import ACCELERATE, free_port, secrets_of, told

ROOT = Path(__file__).parents[1]
WARM, LEAST, MOST, WINDOW = 8, 10, 60, 10.0
"""Steps before the steady state; the least and the most that are measured then; and seconds after
which the least are enough."""
STRETCHES = 5


@dataclass(frozen=True)
class System:
    """One row of the table."""

    name: str
    texts: str
    """File of the rows."""
    settings: Mapping[str, Mapping[str, Any]] | None = None
    """Of sparkctl: what the recipe says besides the benchmark's own. None: a peer."""
    peer: tuple[str, ...] = ()
    """Arguments of benchmarks/gpu_peers.py."""
    code: Path = ROOT
    """Where the code of the trainer lies."""
    path: tuple[str, ...] = ()
    """Folders before all others on PYTHONPATH."""


@dataclass
class Seen:
    """What a process said, and when."""

    lines: list[tuple[float, dict[str, Any]]] = field(default_factory=list)
    """Seconds of the monotonic clock, and the event."""
    began: float = 0.0
    ended: str = ""
    """Why there is no more, where it ended by itself: the end of what it wrote."""

    def of(self, kind: str) -> list[tuple[float, dict[str, Any]]]:
        """The events of one kind."""
        return [(at, event) for at, event in self.lines if event.get("event") == kind]

    @property
    def steps(self) -> list[tuple[float, dict[str, Any]]]:
        """All steps."""
        return self.of("step")

    @property
    def steady(self) -> tuple[float, float] | None:
        """From when to when it was in its steady state."""
        steps = self.steps
        return (steps[WARM - 1][0], steps[-1][0]) if len(steps) > WARM + STRETCHES else None

    @property
    def tokens_per_second(self) -> float | None:
        """Real tokens: the median of some stretches of the steady state."""
        steps = self.steps[WARM - 1 :]
        if self.steady is None:
            return None
        edges = [part * (len(steps) - 1) // STRETCHES for part in range(STRETCHES + 1)]
        speed: float = median(
            sum(event["tokens"] for _, event in steps[a + 1 : b + 1]) / (steps[b][0] - steps[a][0])
            for a, b in pairwise(edges)
        )
        return speed

    @property
    def enough(self) -> bool:
        """Whether there is enough to tell the steady state."""
        number, steady = len(self.steps) - WARM, self.steady
        if steady is None or number < LEAST:
            return False
        return number >= MOST or steady[1] - steady[0] >= WINDOW


def run(system: System, base: Path, folder: Path, device: str, deadline: float) -> Seen:
    """Start it, listen until there is enough or no time left (monotonic clock), and end it."""
    folder.mkdir(parents=True)
    command, environ = (
        _peer(system, base, folder, device)
        if system.settings is None
        else _ours(system, base, folder)
    )
    seen, said = Seen(began=time.monotonic()), Queue[tuple[float, str]]()
    with (folder / "stderr").open("wb") as errors:
        process = subprocess.Popen(
            command, env=environ, stdout=subprocess.PIPE, stderr=errors, cwd=folder, text=True,
            start_new_session=True,
        )  # fmt: skip
    listener = threading.Thread(target=_listen, args=(process, said))
    listener.start()
    try:
        while not seen.enough and time.monotonic() < deadline:
            try:
                at, line = said.get(timeout=0.5)
            except Empty:
                if process.poll() is not None and not listener.is_alive():
                    break
                continue
            if line.startswith('{"event"'):
                seen.lines.append((at, json.loads(line)))
    finally:
        if process.poll() is None:
            os.killpg(process.pid, 9)
        process.wait()
        listener.join()
    if not seen.enough:
        seen.ended = (folder / "stderr").read_text(errors="replace")[-1500:]
    return seen


def _listen(process: "subprocess.Popen[str]", said: "Queue[tuple[float, str]]") -> None:
    assert process.stdout is not None
    for line in process.stdout:
        said.put((time.monotonic(), line))


def recipe(system: System, base: Path) -> dict[str, dict[str, Any]]:
    """What sparkctl trains: its own defaults, and what makes it the same work as the peers'."""
    own: dict[str, dict[str, Any]] = {
        "model": {"name": str(base)},
        "method": {"kind": "lora", "r": 8, "alpha": 16},
        "data": {"name": str(base / system.texts), "max_length": 2048, "held_out_rows": 8},
        "optim": {"lr": 1e-4},
        "loop": {"max_steps": 400, "per_device_batch_size": 8},
        "checkpoint": {"every": 0},
    }
    changes = system.settings or {}
    return {key: own.get(key, {}) | dict(changes.get(key, {})) for key in own.keys() | changes}


def _ours(system: System, base: Path, folder: Path) -> tuple[list[str], dict[str, str]]:
    """As a container starts a rank."""
    (folder / "training.json").write_text(json.dumps(recipe(system, base)))
    port = free_port()
    (folder / "accelerate.yaml").write_text(ACCELERATE.format(world_size=1, rank=0, port=port))
    environ = (
        _environ(system)
        | told("here", 0, 1, folder / "run", secrets_of(folder))
        | {
            "PYTHONPATH": _path(system, system.code),
            "SPARKCTL_CACHE_DIR": str(folder.parent / "cache"),
            "SPARKCTL_DATA_DIR": str(folder.parent / "data"),
            "SPARKCTL_TRAINING_CONFIG": str(folder / "training.json"),
            "SPARKCTL_ACCELERATE_CONFIG": str(folder / "accelerate.yaml"),
        }
    )
    return ["sh", str(system.code / "entrypoints/accelerate.sh")], environ


def _peer(
    system: System, base: Path, folder: Path, device: str
) -> tuple[list[str], dict[str, str]]:
    module = [sys.executable, "-m", "benchmarks.gpu_peers", *system.peer]
    where = [str(base), str(base / system.texts), "--out", str(folder), "--device", device]
    return [*module, *where], _environ(system) | {"PYTHONPATH": _path(system, ROOT)}


def _environ(system: System) -> dict[str, str]:
    here = {k: v for k, v in os.environ.items() if not k.startswith(("SPARKCTL_", "HF_"))}
    python = str(Path(sys.executable).parent)
    offline = {"HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false", "UNSLOTH_IS_PRESENT": "1"}
    return here | offline | {"PATH": f"{python}{os.pathsep}{here['PATH']}"}


def _path(system: System, code: Path) -> str:
    own = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    return os.pathsep.join([*system.path, str(code), *filter(None, own)])


@contextmanager
def busy_readings() -> Iterator[list[tuple[float, float]]]:
    """(monotonic seconds, share of the time in which some kernel ran), as nvidia-smi says."""
    readings: list[tuple[float, float]] = []
    query = ["nvidia-smi", "--query-gpu=utilization.gpu", "--format=csv,noheader,nounits"]
    try:
        process = subprocess.Popen(
            [*query, "-lms", "200"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
    except OSError:
        yield readings
        return

    def listen() -> None:
        assert process.stdout is not None
        for line in process.stdout:
            if line.strip().isdecimal():
                readings.append((time.monotonic(), int(line) / 100))

    listener = threading.Thread(target=listen)
    listener.start()
    try:
        yield readings
    finally:
        process.terminate()
        process.wait()
        listener.join()


def busy(readings: list[tuple[float, float]], steady: tuple[float, float] | None) -> float | None:
    """Mean over the steady state; None without readings."""
    inside = [share for at, share in readings if steady and steady[0] <= at <= steady[1]]
    return fmean(inside) if inside else None
