"""A long training takes no more at its end than at its beginning: memory, open files, threads.

`make soak` for 15 minutes, `make soak-hour` for an hour; without their setting it is skipped.
"""

import json
import os
from collections import defaultdict
from statistics import median

import pytest

from orchestrator.lab.wait import until
from tests.lab.machine import Machine
from tests.lab.sparkctl import Sparkctl
from tests.lab.test_gang import RUNS, Run, measured

SECONDS = int(os.environ.get("SPARKCTL_TEST_SOAK_SECONDS", "0"))
SAMPLES = 30
A_SECOND = 60
"""More steps than any computer makes of this model in a second."""
MARGIN, SLACK = 1.05, 8 * 2**20
"""What Python's own heap and the page tables may still grow by, of memory: 5 % and 8 MiB."""
LOOK = r"""
for p in /proc/[0-9]*; do
    c=$(tr '\0' ' ' < $p/cmdline 2>/dev/null) || continue
    case $c in
        python3*training.ranks.launch*) kind=trainer ;;
        python3*training.gang*) kind=supervisor ;;
        *) continue ;;
    esac
    pss=$(awk '/^Pss:/ {print $2}' $p/smaps_rollup 2>/dev/null) || continue
    files=$(ls $p/fd 2>/dev/null | wc -l)
    threads=$(ls $p/task 2>/dev/null | wc -l)
    echo "$kind $pss $files $threads"
done
"""
"""Kind of a process, kB of its memory, files that it has open, threads."""

pytestmark = pytest.mark.skipif(not SECONDS, reason="15 minutes: make soak")


def test_nothing_grows(machines: dict[str, Machine], module_up: Sparkctl) -> None:
    settings = {
        "training.loop.max_steps": SECONDS * A_SECOND,
        "training.loop.eval_every": 50,
        "training.checkpoint.every": 50,
        "training.checkpoint.adapter_every": 50,
    }
    words = [word for key, value in settings.items() for word in ("--set", f"{key}={value}")]
    ran = module_up("train", "tiny-llama-lora", "--detach", *words)
    run = Run(ran.stdout.split()[1].rstrip(":"), module_up, machines)
    run.reach(200)  # what is allocated once is there
    began, first = _heartbeat(machines["spark-a"], run)
    seen: dict[tuple[str, str], list[tuple[int, int, int]]] = defaultdict(list)
    for sample in range(1, SAMPLES + 1):
        step, _ = until(
            lambda due=began + sample * SECONDS / SAMPLES: _after(machines["spark-a"], run, due),
            what=f"sample {sample}",
            deadline_seconds=SECONDS,
            interval_seconds=1.0,
        )
        for name, machine in machines.items():
            for line in machine.run("sh", "-c", LOOK).splitlines():
                kind, pss, files, threads = line.split()
                seen[name, kind].append((int(pss) * 1024, int(files), int(threads)))
    assert {kind for _, kind in seen} == {"trainer", "supervisor"}
    for (name, kind), samples in sorted(seen.items()):
        assert len(samples) == SAMPLES, "a process of the run ended, or another came"
        third = SAMPLES // 3
        early, late = samples[:third], samples[-third:]
        before, after = (median(memory for memory, _, _ in part) for part in (early, late))
        files, threads = ([max(s[at] for s in part) for part in (early, late)] for at in (1, 2))
        costs = {"before": before, "after": after, "files": files, "threads": threads}
        measured(f"soak of {SECONDS} s, {step - first} steps, {kind} on {name}", costs)
        assert after <= MARGIN * before + SLACK, f"{kind} on {name}: {costs}"
        assert files[1] <= files[0] and threads[1] <= threads[0], f"{kind} on {name}: {costs}"
    module_up("runs", "stop", run.name)


def _heartbeat(machine: Machine, run: Run) -> tuple[float, int]:
    """(seconds since the process began, step) of rank 0."""
    beat = json.loads(machine.run("cat", f"{RUNS}/{run.name}/heartbeat-rank0.json"))
    return float(beat["elapsed"]), int(beat["step"])


def _after(machine: Machine, run: Run, due: float) -> tuple[int, float] | None:
    elapsed, step = _heartbeat(machine, run)
    return (step, elapsed) if elapsed >= due else None
