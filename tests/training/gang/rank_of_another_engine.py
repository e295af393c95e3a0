"""The process of a rank of an engine that knows nothing of us: it prints plain text and saves.

argv: JSON {steps, pause, makes: a file, end: {attempt: {rank: [step, what]}}, say: last lines
by rank}; what: an exit code or "hang".
"""

import json
import os
import sys
import time
from pathlib import Path

plan = json.loads(sys.argv[1])
folder, rank = Path(os.environ["SPARKCTL_RUN_DIR"]), os.environ["SPARKCTL_RANK"]
(folder / "tries").open("a").write("x")
end = plan.get("end", {}).get(os.environ["SPARKCTL_ATTEMPT"], {}).get(rank)
saved = folder / "saved"
step = int(saved.read_text()) if saved.exists() else 0
print(f"rank {rank} begins after {step}", flush=True)
while step < plan["steps"]:
    if end and end[0] == step:
        if end[1] == "hang":
            time.sleep(600)
        sys.exit(end[1])
    time.sleep(plan["pause"])
    step += 1
    print(f"INFO | step={step}/{plan['steps']} loss={1 / step:.3f}", flush=True)
    saved.write_text(str(step))
    print(f"saved {step}", flush=True)
if "makes" in plan:
    (folder / plan["makes"]).write_text("done")
for line in plan.get("say", {}).get(rank, ()):
    print(line)
