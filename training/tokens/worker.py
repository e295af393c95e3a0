"""One of several processes that make tokens: `python -m training.tokens.worker`.

Reads a Recipe and then lists of rows from stdin, pickled, and answers each on stdout with a Chunk
or with the error that ends it. Its end is the end of stdin: when whoever started it is gone,
killed or not, it goes too, in the middle of its work.
"""

import os
import pickle
import signal
import sys
import traceback
from queue import SimpleQueue
from threading import Thread
from typing import Any, BinaryIO

from training.contract.errors import TrainingError, explain
from training.tokens.chunk import Chunk, Recipe, tokenise


def main() -> None:
    """Work until stdin ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for whoever started it
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a library prints must not get between the answers
    inbox, outbox = SimpleQueue[Any](), SimpleQueue[Any]()
    Thread(target=_receive, args=(sys.stdin.buffer, inbox), daemon=True).start()
    # An answer is larger than a pipe: the next one is begun before the last one is read.
    Thread(target=_send, args=(answers, outbox), daemon=True).start()
    recipe: Recipe = inbox.get()
    while True:
        outbox.put(_answer(inbox.get(), recipe))


def _receive(stream: BinaryIO, inbox: "SimpleQueue[Any]") -> None:
    try:
        while True:
            inbox.put(pickle.load(stream))
    except (EOFError, pickle.UnpicklingError):  # the latter: killed while it wrote
        os._exit(0)
    except BaseException:
        traceback.print_exc()
        os._exit(1)


def _send(stream: BinaryIO, outbox: "SimpleQueue[Any]") -> None:
    try:
        while True:
            pickle.dump(outbox.get(), stream, pickle.HIGHEST_PROTOCOL)
            stream.flush()
    except BrokenPipeError:
        os._exit(0)
    except BaseException:
        traceback.print_exc()
        os._exit(1)


def _answer(rows: Any, recipe: Recipe) -> Chunk | TrainingError:
    try:
        return tokenise(rows, recipe)
    except Exception as failure:
        error = explain(failure)
        if error is not failure:
            traceback.print_exc()
        return error


if __name__ == "__main__":
    main()
