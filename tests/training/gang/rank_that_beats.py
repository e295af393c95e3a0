"""The process of a rank as supervisors see it: beats, events, an end. It trains nothing.

argv: JSON {steps, pause: seconds a step, save: every, script: {attempt: {rank: [step, what]}}}.
What happens at that step: an exit code, "kill" (itself), "hang" or "wait" (answers SIGUSR1),
"stuck" (answers nothing), "error" (an event and 78), "vanish" (the supervisor dies with it),
"leak" (the secret A_KEY goes wherever a rank can write), "fill" (its disk; "fill loudly": and it
says a lot, but not why it ends).
"""

import base64
import json
import os
import signal
import sys
import time
from pathlib import Path
from urllib.parse import quote

from tests.support.disks import fill
from training.contract.environment import MEMORY_FLOOR
from training.contract.errors import ExitCode, TrainingError, explain
from training.contract.events import Error, Result, Saved
from training.contract.redactor import Redactor, secrets_dir
from training.ranks.events import EventLog
from training.ranks.stack_dump import dump_on_signal

plan = json.loads(sys.argv[1])
folder, rank = Path(os.environ["SPARKCTL_RUN_DIR"]), int(os.environ["SPARKCTL_RANK"])
log = EventLog(1, rank, Redactor.of(secrets_dir(os.environ)))
log.keep_in(str(folder))
dump_on_signal(folder, rank)
told = []
signal.signal(signal.SIGTERM, lambda *_: told.append(True))
tries = folder / "tries"
tries.write_text(tries.read_text() + "x" if tries.exists() else "x")
fates = plan.get("script", {}).get(os.environ["SPARKCTL_ATTEMPT"], {})
fate = fates.get(str(rank))
meets = min((step for step, _ in fates.values()), default=None)
"""Where another rank has its end: as in a collective, this one comes no further."""
saved = folder / "saved"
step = int(saved.read_text()) if saved.exists() else 0
print(
    f"a line of rank {rank}, with {os.environ.get('A_KEY', 'no key')}", file=sys.stderr, flush=True
)
print(f"kept free: {os.environ[MEMORY_FLOOR]}", file=sys.stderr, flush=True)
log.phase("loading")
while step < plan["steps"]:
    log.beat("training", step)
    if fate and fate[0] == step:
        match fate[1]:
            case int(code):
                print(f"rank {rank} leaves", file=sys.stderr, flush=True)
                os._exit(code)
            case "kill":
                os.kill(os.getpid(), signal.SIGKILL)
            case "hang" | "wait":
                time.sleep(600)
            case "stuck":
                os.kill(os.getpid(), signal.SIGSTOP)
            case "vanish":
                os.kill(os.getppid(), signal.SIGKILL)
                os.kill(os.getpid(), signal.SIGKILL)
            case "leak":
                key = os.environ["A_KEY"]
                login = base64.b64encode(f"alice:{key}".encode()).decode()
                said = f"https://alice:{quote(key, safe='')}@host {key!r} Basic {login}"
                for told_to in (sys.stdout, sys.stderr):
                    print(f"{key}\n{said}\n{json.dumps({'event': key})}", file=told_to, flush=True)
                log.phase(said)
                log.beat(said, step)
                log.failed(explain(ConnectionError(f"{said} {'x' * 1700} {key}")))
                raw = EventLog(1, rank)  # another engine's: the supervisor is the one who cares
                raw.failed(explain(ConnectionError(said)))
                os._exit(ExitCode.CRASHED)
            case "fill":
                fill(folder)
                try:
                    log.beat("training", step)
                except TrainingError as error:
                    log.failed(error)
                os._exit(ExitCode.CRASHED)
            case "fill loudly":
                fill(folder)
                for number in range(20_000):
                    print(f"{number} {'x' * 100}", flush=True)
                os._exit(ExitCode.CRASHED)
            case "error":
                log.emit(
                    Error(
                        rank=rank,
                        code="model_gated",
                        message="no access",
                        help="ask for it",
                        exit_code=78,
                        seconds=0,
                    )
                )
                os._exit(78)
    if step == meets and not fate:
        time.sleep(600)
    time.sleep(plan["pause"])
    step += 1
    if told or step % plan.get("save", 2) == 0:
        saved.write_text(str(step))
        log.emit(Saved(rank=rank, step=step, bytes=1, seconds=0, elapsed=0))
    if told:
        os._exit(ExitCode.STOPPED)
log.emit(
    Result(
        rank=rank,
        step=step,
        eval_loss_first=1,
        eval_loss_last=1,
        weights_sha256=plan.get("sums", ["same"] * 9)[rank],
        saved=None,
        tokens=1,
        seconds=1,
    )
)
