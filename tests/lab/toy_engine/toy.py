"""Trains nothing. Each rank has a checkpoint of its own; rank 0 leaves the result."""

import os
import sys
import time
from pathlib import Path

steps, every, (model, data) = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3:]
run, rank = Path(os.environ["SPARKCTL_RUN_DIR"]), os.environ["SPARKCTL_RANK"]
saved = run / "checkpoints" / f"toy-rank{rank}"
saved.parent.mkdir(exist_ok=True)
step = int(saved.read_text()) if saved.exists() else 0
if step:
    print(f"goes on after {step}")
while step < steps:
    time.sleep(0.2)  # the work
    step += 1
    print(f"step={step} loss={1 / step:.4f}")
    if step % every == 0:
        aside = saved.with_suffix(".tmp")
        aside.write_text(str(step))
        aside.replace(saved)
        print(f"saved {step}")
if rank == "0":
    (run / "result.txt").write_text(f"{step} steps of {model} on {data}\n")
