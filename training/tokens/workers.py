"""Rows to tokens in several processes, in the order of the rows.

Fresh interpreters, not forks: a rank has threads and CUDA in its process. Not multiprocessing's
either: its workers outlive a parent that was killed.
"""

import os
import pickle
import subprocess
import sys
from collections import deque
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import ExitStack, suppress
from itertools import chain, islice
from typing import Any

from training.contract.errors import TrainingError
from training.rows.row import BadRow, Row
from training.tokens.chunk import Chunk, Recipe, tokenise

ROWS = 1000
"""Rows of a chunk."""
FEW = 2 * ROWS
"""So many are done sooner than a process starts."""
MOST = 8
"""Processes."""
_AHEAD = 4
"""Chunks that a process may have, done or not."""


def tokenised(rows: Iterable[Row | BadRow], recipe: Recipe) -> Generator[Chunk]:
    """The chunks of all rows; only a few of them are in memory at a time.

    Raises the ConfigurationError of the first bad row, TrainingError when a process is lost.
    """
    chunks = _chunks(iter(rows))
    first = list(islice(chunks, FEW // ROWS + 1))
    if len(first) * ROWS <= FEW:
        yield from (tokenise(chunk, recipe) for chunk in first)
        return
    with ExitStack() as stack:
        workers = [stack.enter_context(Worker()) for _ in range(processes())]
        for worker in workers:  # all of them are starting by now
            worker.send(recipe)
        asked = deque[Worker]()
        for number, chunk in enumerate(chain(first, chunks)):
            if len(asked) == _AHEAD * len(workers):
                yield asked.popleft().receive()
            worker = workers[number % len(workers)]
            worker.send(chunk)
            asked.append(worker)
        while asked:
            yield asked.popleft().receive()


def processes() -> int:
    """As many as this process may use cores; macOS only says how many there are."""
    usable = getattr(os, "sched_getaffinity", None)
    return min(len(usable(0)) if usable else os.cpu_count() or 1, MOST)


class Worker:
    """One process, which wants a Recipe first; killed at the end of the block."""

    def __init__(self) -> None:
        # -P: nothing is imported from the folder that this happens to run in.
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "training.tokens.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=os.environ
            | {
                "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
                "TOKENIZERS_PARALLELISM": "false",
                "OMP_NUM_THREADS": "1",
                "OPENBLAS_NUM_THREADS": "1",
            },
        )
        assert self._process.stdin is not None and self._process.stdout is not None
        self._requests, self._answers = self._process.stdin, self._process.stdout

    def __enter__(self) -> "Worker":
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()
        self._answers.close()
        with suppress(BrokenPipeError):  # what it had not read
            self._requests.close()

    def send(self, what: Any) -> None:
        """It takes everything at once, so this never waits for its work."""
        try:
            pickle.dump(what, self._requests, pickle.HIGHEST_PROTOCOL)
            self._requests.flush()
        except BrokenPipeError:
            raise self._lost() from None

    def receive(self) -> Chunk:
        """Its next answer."""
        try:
            answer: Chunk | TrainingError = pickle.load(self._answers)
        except (EOFError, pickle.UnpicklingError):
            raise self._lost() from None
        if isinstance(answer, TrainingError):
            raise answer
        return answer

    def _lost(self) -> TrainingError:
        status = self._process.wait()
        how = f"was killed by signal {-status}" if status < 0 else f"ended with status {status}"
        return TrainingError(
            "worker_lost",
            f"a process that makes tokens of the data {how}",
            "Signal 9 is mostly the system's, when memory is short. Its last words are on this "
            "rank's stderr.",
        )


def _chunks(rows: Iterator[Row | BadRow]) -> Iterator[Sequence[Row | BadRow]]:
    while chunk := list(islice(rows, ROWS)):
        yield chunk
