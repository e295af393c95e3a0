"""`up` and `down` struck at random points: both ways lead out. All points: `make faults`.

On Docker 26.1; `make faults` and the other tests have the lab's own engine.
"""

import os
import random
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

from orchestrator.lab import LabSpec
from tests.faults.bench import bench
from tests.faults.controller import seen
from tests.faults.matrix import Seens, outcomes, sample
from tests.lab.machine import Machine
from tests.lab.sparkctl import Sparkctl

SEED = int(os.environ.get("SPARKCTL_FAULTS_SEED") or 1)  # another number: another sample


def test_whatever_happens_in_the_middle_both_ways_lead_out(
    raise_lab: Callable[[LabSpec], AbstractContextManager[dict[str, Machine]]],
    session_name: str,
    tmp_path: Path,
) -> None:
    print(f"SPARKCTL_FAULTS_SEED={SEED}")
    out = tmp_path / "cluster.yaml"
    spec = LabSpec(f"{session_name}-faults", suite="trixie", out=out, train_image=False)
    with raise_lab(spec) as machines:
        here = bench(machines, Sparkctl(spec.out))
        seens: Seens = {
            "up": seen(spec.out, "up", tmp_path / "up"),
            "down": seen(spec.out, "down", tmp_path / "down"),
        }
        trials = sample(seens, random.Random(SEED))
        for outcome in outcomes(trials, here):
            print(outcome)
            assert not outcome.lost
