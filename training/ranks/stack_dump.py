"""Dump the stacks of all threads of a trainer when the supervisor sends SIGUSR1."""

import faulthandler
import signal
from pathlib import Path

from training.contract.files import DEBUG


def dump_on_signal(run_dir: Path, rank: int) -> None:
    """From now on SIGUSR1 only appends the stacks to `debug/stacks-rank<R>.txt`."""
    folder = run_dir / DEBUG
    folder.mkdir(parents=True, exist_ok=True)
    file = (folder / f"stacks-rank{rank}.txt").open("a")
    faulthandler.register(signal.SIGUSR1, file=file, all_threads=True)
