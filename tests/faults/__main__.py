"""The full matrix: every fault at every point, both ways out, on four labs at a time.

    python -m tests.faults [--labs N] [--only REGEX] [--minutes N] [--write]

`--only` keeps the trials in whose line REGEX is found. After `--minutes` no more are begun; as
their order is random, those that were are a random sample. `--write` puts the table into
docs/reliability.md. Exits with 1 when anything was lost.
"""

import argparse
import math
import os
import random
import re
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from orchestrator.lab import LabSpec
from tests.faults import table
from tests.faults.bench import Bench, bench
from tests.faults.controller import seen
from tests.faults.matrix import Seens, every, outcomes
from tests.faults.trial import Outcome
from tests.lab.raised import raised
from tests.lab.sparkctl import Sparkctl


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--labs", type=int, default=4)
    parser.add_argument("--only", default="")
    parser.add_argument("--minutes", type=float, default=math.inf)
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        end = began + 60 * options.minutes
        gathered, all_of_them, engine = _on_labs(Path(folder), options.labs, options.only, end)
    run = table.Run(engine, datetime.now(UTC).date(), time.monotonic() - began, all_of_them)
    text = table.text(gathered, run)
    print(text)
    if options.write:
        table.write(text)
    return int(any(outcome.lost for outcome in gathered))


def _on_labs(folder: Path, count: int, only: str, end: float) -> tuple[list[Outcome], int, str]:
    """All outcomes, how many trials there are, and the nodes' engine."""
    with _lab(folder, "first") as here:
        trials = [trial for trial in every(_seen_by(here, folder)) if re.search(only, str(trial))]
        engine = here.machines["spark-a"].run("docker", "version", "-f", "{{.Server.Version}}")
    print(f"{len(trials)} trials", flush=True)
    random.shuffle(trials)
    gathered: list[Outcome] = []
    lock = threading.Lock()

    def on_one(index: int) -> None:
        rest = trials[index::count]
        while rest and time.monotonic() < end:
            with _lab(folder, str(index)) as here:
                for outcome in outcomes(rest, here):
                    rest.remove(outcome.trial)
                    with lock:
                        gathered.append(outcome)
                        print(f"{len(gathered)} {outcome}", flush=True)
                    if time.monotonic() > end:
                        break

    with ThreadPoolExecutor(count) as pool:
        for done in [pool.submit(on_one, index) for index in range(count)]:
            done.result()
    return gathered, len(trials), engine.strip()


@contextmanager
def _lab(folder: Path, name: str) -> Iterator[Bench]:
    home = folder / name
    home.mkdir(exist_ok=True)
    spec = LabSpec(
        f"test-{os.getpid()}-faults-{name}", out=home / "cluster.yaml", train_image=False
    )
    with raised(spec) as machines:
        yield bench(machines, Sparkctl(spec.out))


def _seen_by(here: Bench, folder: Path) -> Seens:
    """An `up` and a `down` that nothing happens to."""
    file = here.sparkctl.file
    return {"up": seen(file, "up", folder / "up"), "down": seen(file, "down", folder / "down")}


if __name__ == "__main__":
    sys.exit(main())
