"""Show the progress of your own training loop in sparkctl. Copy it, or import it: it is there.

    import sparkctl_progress as progress
    progress.step(10, total=500, loss=1.23)   # after an optimizer step
    progress.saved(10)                        # a checkpoint is whole
    progress.evaluated(10, loss=1.1)
    begin_at = progress.resume_from()         # folder of the checkpoint to go on from, or None

Elsewhere than in sparkctl it prints nothing. A Trainer of transformers needs none of this.
"""

import json
import math
import os
import sys
import time
from contextlib import suppress

_BEGAN = time.monotonic()


def step(
    number: int,
    total: int = 0,
    loss: float | None = None,
    lr: float | None = None,
    grad_norm: float | None = None,
    tokens: int = 0,
    tokens_per_second: float | None = None,
) -> None:
    """Optimizer steps are made up to this one. `tokens`: of this rank; per second: of all."""
    event("step", step=number, total_steps=total, loss=loss, lr=lr, grad_norm=grad_norm,
          tokens=tokens, tokens_per_second=tokens_per_second)  # fmt: skip


def evaluated(number: int, loss: float) -> None:
    """Held-out loss after this step."""
    event("eval", step=number, loss=loss)


def saved(number: int) -> None:
    """The checkpoint of this step is whole."""
    event("saved", step=number, bytes=0, seconds=0.0)


def resume_from() -> str | None:
    """Folder of the newest checkpoint that every rank has."""
    return os.environ.get("SPARKCTL_RESUME_FROM") or None


def event(kind: str, **fields: object) -> None:
    """One line for sparkctl, from the one process of this node that trains."""
    rank = os.environ.get("SPARKCTL_RANK")
    if rank is None or os.environ.get("LOCAL_RANK", "0") != "0":
        return
    for name, value in fields.items():  # NaN is not JSON
        fields[name] = None if isinstance(value, float) and not math.isfinite(value) else value
    elapsed = round(time.monotonic() - _BEGAN, 3)
    said = {"event": kind, "rank": int(rank), **fields, "elapsed": elapsed}
    line = json.dumps(said, separators=(",", ":"), default=str)
    # A proof must not hang on a line that the script has begun and not ended.
    before = "\n" if kind == "group" else ""
    with suppress(OSError, ValueError):  # the script has closed its output
        sys.stdout.flush()
        os.write(1, f"{before}{line}\n".encode())  # one write: lines of threads never mix
