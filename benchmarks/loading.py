"""What loading takes: our sharded loader beside accelerate's FSDP2, on the same files.

    python -m benchmarks.loading [--rounds N] [--sizes small,middle,large] [--ranks 2,4] [--write]
    python -m benchmarks.loading --sizes experts,wrapper --ranks 2 [--write]

Every measurement is made by fresh processes, one per rank, in turns; the files are not in the page
cache when it begins. Rank 0 reads copies of its own, as a node does, so that what the page cache
holds of them is what one node's would. `--write` puts the table into docs/benchmarks.md: of
checkpoints that hold other weights than the model, and ours alone loads shard by shard, a second.
"""

import argparse
import json
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from benchmarks.document import machine, write
from benchmarks.load_rank import ACCELERATE, OURS, OURS_LORA, Taken
from benchmarks.random_model import Experts, Size, Wrapper, forget
from benchmarks.random_model import write as write_model

SIZES = {
    "small": Size(hidden=1536, layers=12, files=4),
    "middle": Size(hidden=2048, layers=24),
    "large": Size(hidden=2560, layers=32, files=20),
}
OTHERS: dict[str, Size] = {
    "experts": Experts(hidden=1024, layers=24),
    "wrapper": Wrapper(hidden=2048, layers=20, vocabulary=65536),
}
"""Whose files hold other weights than the model; measured with our loader alone."""
DEADLINE = 600
"""Seconds that one measurement may take."""


@dataclass(frozen=True)
class Copies:
    """The same checkpoint twice: for rank 0, and for the others."""

    first: Path
    others: Path
    bytes: int
    """Of its weights."""
    largest: int
    """Bytes of its largest file."""


@contextmanager
def checkpoint(size: Size, within: Path | None = None) -> Iterator[Copies]:
    """A random model of this size, twice, for as long as the block lasts."""
    with tempfile.TemporaryDirectory(dir=within) as folder:
        first, others = Path(folder) / "first", Path(folder) / "others"
        first.mkdir()
        total = write_model(first, size)
        shutil.copytree(first, others)
        largest = max(file.stat().st_size for file in first.iterdir())
        yield Copies(first, others, total, largest)


def measure(way: str, copies: Copies, ranks: int) -> list[Taken]:
    """What every rank took, in their order. Raises if one of them fails."""
    for file in (*copies.first.iterdir(), *copies.others.iterdir()):
        forget(file)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = os.environ | {
        "WORLD_SIZE": str(ranks),
        "LOCAL_RANK": "0",
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
        "OMP_NUM_THREADS": "1",
    }
    processes = [
        subprocess.Popen(
            [sys.executable, "-m", "benchmarks.load_rank", way,
             str(copies.others if rank else copies.first)],
            env=environment | {"RANK": str(rank)}, stdout=subprocess.PIPE, text=True,
        )
        for rank in range(ranks)
    ]  # fmt: skip
    try:
        said = [process.communicate(timeout=DEADLINE)[0] for process in processes]
    finally:
        for process in processes:
            process.kill()
    return [Taken(**json.loads(lines.splitlines()[-1])) for lines in said]


def row(runs: Sequence[Sequence[Taken]], copies: Copies, peers: Sequence[float]) -> str:
    """One line of the table, from all rounds of one way; `peers`: accelerate's seconds, if any."""
    ranks = len(runs[0])
    share = copies.bytes / ranks
    every = [taken for run in runs for taken in run]
    seconds = [max(taken.seconds for taken in run) for run in runs]
    faster = [peer / own for peer, own in zip(peers, seconds, strict=True)] if peers else []
    read = [taken.read for taken in every if taken.read is not None]
    return (
        f"| {copies.bytes / 1e9:.2f} GB | {ranks} | {every[0].way} "
        f"| {max(t.anonymous for t in every) / share:.3f} "
        f"| {max(t.mapped for t in every) / share:.2f} "
        f"| {max(run[0].cached for run in runs) / copies.largest:.2f} "
        f"| {f'{max(read) / share:.3f}' if read else ''} "
        f"| {statistics.median(seconds):.1f} "
        f"| {f'{statistics.median(faster):.1f}' if faster else ''} |"
    )


def table(sizes: Sequence[str], worlds: Sequence[int], rounds: int) -> str:
    """Measure everything; the lines of the table, and how they came about."""
    lines = [
        "| model | ranks | way | own memory | mapped | page cache | read | s | x faster |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for name in sizes:
        ways = (OURS,) if name in OTHERS else (OURS, OURS_LORA, ACCELERATE)
        with checkpoint((SIZES | OTHERS)[name]) as copies:
            for ranks in worlds:
                runs: dict[str, list[list[Taken]]] = {way: [] for way in ways}
                for _ in range(rounds):
                    for way, so_far in runs.items():
                        so_far.append(measure(way, copies, ranks))
                peers = [max(taken.seconds for taken in run) for run in runs.get(ACCELERATE, [])]
                lines += [row(so_far, copies, peers) for so_far in runs.values()]
                print(*lines[-len(ways) :], sep="\n", flush=True)
    conditions = (
        f"{datetime.now(UTC):%Y-%m-%d}, {machine()}, one thread a rank; torch {version('torch')}, "
        f"transformers {version('transformers')}, accelerate {version('accelerate')}. bfloat16, "
        f"LOCAL_RANK 0 on every rank, files not in the page cache at first; peaks over {rounds} "
        "rounds and all ranks, medians of seconds (of the slowest rank) and of ratios in a round."
    )
    return "\n".join([*lines, "", conditions])


def main() -> None:
    """Measure and print."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--sizes", default=",".join(SIZES))
    options.add_argument("--ranks", default="2,4")
    options.add_argument("--write", action="store_true")
    chosen = options.parse_args()
    worlds = [int(ranks) for ranks in chosen.ranks.split(",")]
    sizes = chosen.sizes.split(",")
    lines = table(sizes, worlds, chosen.rounds)
    print(lines)
    if chosen.write:
        write("loading-others" if OTHERS.keys() & set(sizes) else "loading", lines)


if __name__ == "__main__":
    main()
