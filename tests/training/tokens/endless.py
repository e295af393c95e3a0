"""Makes tokens of rows that never end, in the cache that is named: to be killed."""

import signal
import sys
from collections.abc import Iterator
from itertools import count
from pathlib import Path

from tests.support.tokens import letters
from training.contract.config import Data
from training.rows.row import Row
from training.tokens.chunk import Recipe
from training.tokens.prepare import data_set
from training.tokens.workers import ROWS


def rows() -> Iterator[Row]:
    """Says once that much has been done."""
    for number in count():
        if number == 40 * ROWS:
            print("under way", flush=True)
        yield Row(f"mine.jsonl:{number}", {"text": "abc"})


def main(cache: Path, key: str) -> None:
    data_set(key, Recipe(Data(name="mine.jsonl"), letters()), rows, cache)


if __name__ == "__main__":
    # A shell that starts tests in the background has them ignore Ctrl-C.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    main(Path(sys.argv[1]), sys.argv[2])
