"""Ranks that start in moments: forks of a process that has torch and transformers imported already.

Importing them takes ten seconds of a processor at every start of a rank, the same every time.
Nothing else differs from `python -m training.train CONFIG` with accelerate's variables set.
"""

import multiprocessing
import os
from collections.abc import Mapping
from multiprocessing.context import ForkServerProcess
from pathlib import Path

PRELOAD = [
    "training.loop.fit",
    "training.model.load",
    "training.model.adapter",
    "transformers.models.llama",
]


def fork(node: Path, environ: Mapping[str, str]) -> ForkServerProcess:
    """A rank in the folder `node`: reads training.json there, writes stdout and stderr."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOAD)
    process = context.Process(target=_rank, args=(node, dict(environ)))
    process.start()
    return process


def meeting(rank: int, world_size: int, port: int) -> dict[str, str]:
    """What training/ranks/launch.py makes of accelerate's configuration, and one thread."""
    return {
        "OMP_NUM_THREADS": "1",
        "TOKENIZERS_PARALLELISM": "false",
        "RANK": str(rank),
        "LOCAL_RANK": "0",
        "WORLD_SIZE": str(world_size),
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
    }


def _rank(node: Path, environ: Mapping[str, str]) -> None:
    from multiprocessing import resource_tracker

    import torch

    from training.ranks.events import take_stdout
    from training.train import main

    resource_tracker.register = lambda *_: None  # type: ignore[assignment]  # killed: leaks no news
    os.environ.update(environ)
    os.chdir(node)
    torch.set_num_threads(1)
    for stream, name in ((1, "stdout"), (2, "stderr")):
        os.dup2(os.open(node / name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), stream)
    os._exit(main([str(node / "training.json")], take_stdout()))
