"""Has a process that makes tokens and waits for more rows: to be killed."""

import os
import sys

from tests.support.tokens import letters
from training.contract.config import Data
from training.rows.row import Row
from training.tokens.chunk import Recipe
from training.tokens.workers import Worker


def main() -> None:
    with Worker() as worker:
        worker.send(Recipe(Data(name="mine.jsonl"), letters()))
        worker.send([Row("mine.jsonl:1", {"text": "abc"})])
        worker.receive()
        print(os.getpid(), flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main()
