"""Where every thread of a trainer stands, written when the supervisor asks by SIGUSR1."""

import faulthandler
import signal
from pathlib import Path

from training.contract.files import DEBUG


def dump_on_signal(run_dir: Path, rank: int) -> None:
    """From now on SIGUSR1 appends the stacks to `debug/stacks-rank<R>.txt`, and that is all."""
    folder = run_dir / DEBUG
    folder.mkdir(parents=True, exist_ok=True)
    file = (folder / f"stacks-rank{rank}.txt").open("a")
    faulthandler.register(signal.SIGUSR1, file=file, all_threads=True)
