"""From the command to the first step: `sparkctl train` beside two launchers started by hand.

    python -m benchmarks.launching [--rounds 3] [--write]

On a lab of its own. "By hand" is the playbook's way at its best: both containers run already, and
the same line with the same files is started in both at the same moment (`docker exec`). In turns;
medians, because these machines are noisy.
"""

import argparse
import json
import shlex
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

import docker
import yaml
from docker.models.containers import Container

from benchmarks.document import machine, write
from orchestrator.lab import LabSpec, down, up
from orchestrator.lab.execute import attempt, run

RUNS = "/home/nvidia/sparkctl/runs"
SETTINGS = ("--set", "training.loop.max_steps=3", "--set", "training.loop.eval_every=0")
DEADLINE = 120
"""Seconds for one start."""
BY_HAND = {
    "two `accelerate launch` by hand": (
        "export HOME=/tmp HF_HOME=$SPARKCTL_CACHE_DIR/huggingface USER=nvidia LOGNAME=nvidia; "
        "exec accelerate launch --config_file $SPARKCTL_ACCELERATE_CONFIG "
        "-m training.train $SPARKCTL_TRAINING_CONFIG"
    ),
    "two of sparkctl's entry points by hand": "exec sh /opt/sparkctl/entrypoints/accelerate.sh",
}
"""What is started in containers that run already."""


def nodes() -> dict[str, Container]:
    """Of the lab, by name."""
    client = docker.from_env()
    return {
        name: client.containers.get(f"sparkctl-lab-launching-{name}")
        for name in ("spark-a", "spark-b")
    }


def by_sparkctl(file: Path) -> tuple[float, str]:
    """Seconds to the first step, and the run's name."""
    began = datetime.now(UTC)
    said = sparkctl(file, "train", "tiny-llama-lora", *SETTINGS)
    name = said.split()[1].rstrip(":")
    node = nodes()["spark-a"]
    log = run(node, "cat", f"{RUNS}/{name}/log-rank0.txt")
    first = next(line for line in log.splitlines() if '{"event":"step"' in line)
    return (datetime.fromisoformat(first.split()[0]) - began).total_seconds(), name


def sparkctl(file: Path, *words: str) -> str:
    """Its output; anything but success ends the benchmark."""
    command = [sys.executable, "-m", "orchestrator", "-f", str(file), *words]
    done = subprocess.run(command, cwd=file.parent, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stdout + done.stderr)
    return done.stdout


def prepare_by_hand(name: str) -> None:
    """Two containers that run and do nothing, with what that run's containers had."""
    here = nodes()
    record = json.loads(run(here["spark-a"], "cat", f"{RUNS}/{name}/deploy.json"))
    services = yaml.safe_load(record["compose"].replace("$$", "$"))["services"]
    configs = record["configs"]
    for rank, node in enumerate(here.values()):
        service = services[f"rank{rank}"]
        folder = f"{RUNS}/by-hand"
        run(node, "sh", "-c", f"rm -rf {folder}; mkdir {folder}; chown 1000:1000 {folder}")
        for kind in (f"accelerate-rank{rank}", "training"):
            text = next(text for entry, text in configs.items() if f"-{kind}-" in entry)
            write = f"cat > {folder}/{kind} <<'END'\n{text}\nEND\nchmod 644 {folder}/{kind}"
            run(node, "sh", "-c", write)
        given = service["environment"] | {
            "SPARKCTL_ACCELERATE_CONFIG": f"/sparkctl/run/accelerate-rank{rank}",
            "SPARKCTL_TRAINING_CONFIG": "/sparkctl/run/training",
        }
        binds = [
            f"--volume={folder if v['target'] == '/sparkctl/run' else v['source']}:{v['target']}"
            for v in service["volumes"]
            if v["type"] == "bind"
        ]
        attempt(node, "docker", "rm", "-f", "by-hand")
        run(
            node, "docker", "run", "--detach", "--name=by-hand", "--network=host",
            "--user=1000:1000", *binds, *(f"--env={key}={value}" for key, value in given.items()),
            "--entrypoint=sleep", service["image"], "infinity",
        )  # fmt: skip


def by_hand(start: str) -> float:
    """Seconds to the first step, of the same line in both containers at the same moment."""
    here = nodes()
    for node in here.values():
        clean = "rm -rf checkpoints adapter tensorboard *.jsonl result* heartbeat*"
        run(node, "docker", "exec", "by-hand", "sh", "-c", f"cd /sparkctl/run && {clean}")
    command = ("docker", "exec", "by-hand", "sh", "-c", start)
    began = time.monotonic()
    with ThreadPoolExecutor() as pool:
        others = pool.submit(attempt, here["spark-b"], *command)
        first: float | None = None
        with subprocess.Popen(
            ["docker", "exec", str(here["spark-a"].id), *command],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        ) as process:
            for line in process.stdout or ():
                if first is None and line.startswith('{"event":"step"'):
                    first = time.monotonic() - began
        others.result(timeout=DEADLINE)
    if first is None:
        raise SystemExit(f"no step: {shlex.join(command)}")
    return first


def main() -> None:
    """Measure, print, and perhaps write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--write", action="store_true", help="into docs/benchmarks.md")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "cluster.yaml"
        try:
            up(LabSpec("launching", out=file))
            sparkctl(file, "cluster", "up", "--yes")
            _, name = by_sparkctl(file)  # builds the image
            prepare_by_hand(name)
            for start in BY_HAND.values():
                by_hand(start)
            ours: list[float] = []
            theirs: dict[str, list[float]] = {what: [] for what in BY_HAND}
            for _ in range(given.rounds):
                ours.append(by_sparkctl(file)[0])
                for what, start in BY_HAND.items():
                    theirs[what].append(by_hand(start))
        finally:
            down("launching")
    table = ["| | median (s) | `sparkctl train` takes longer by | each (s) |", "|---|---|---|---|"]
    for what, seconds in {"`sparkctl train`": ours, **theirs}.items():
        longer = median(a - b for a, b in zip(ours, seconds, strict=True))
        each = " ".join(f"{one:.1f}" for one in seconds)
        told = "" if seconds is ours else f"{longer:.1f}"
        table.append(f"| {what} | {median(seconds):.1f} | {told} | {each} |")
    print("\n".join(table))
    if given.write:
        when = f"{datetime.now(UTC):%Y-%m-%d}, {machine()}, {given.rounds} rounds in turns."
        write("launching", "\n".join([when, "", *table]))


if __name__ == "__main__":
    main()
