"""A `cluster up` that has nothing to do, beside Ansible and pyinfra on the same nodes.

    python -m benchmarks.noop [--nodes 2 4] [--rounds 7] [--write]

On labs of its own, after one `cluster up`. All three look at the same things over the same SSH, and
find nothing to do: the peers' tasks are in `noop_peers.py`. In turns; ratios are pair by pair,
because these machines are noisy.
"""

import argparse
import os
import re
import resource
import subprocess
import sys
import tempfile
import time
import venv
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

from benchmarks.document import machine, write
from benchmarks.noop_peers import ansible, pyinfra
from orchestrator.lab import LabSpec, down, up

PEERS = ("ansible-core==2.19.14", "pyinfra==3.10.0")
NAME = "noop"
SPARKCTL = "`sparkctl cluster up`"
CHANGED = re.compile(r"changed=[1-9]|\] Success|\d+ changes? \(")
"""How the three say that they have changed something."""
Commands = Mapping[str, tuple[list[str], dict[str, str]]]
"""What is measured: the command, and what is special in its environment."""


@dataclass(frozen=True)
class Took:
    """One command."""

    seconds: float
    cpu: float
    """Seconds of this computer's CPU: the command and all that it has started here."""


def took(
    command: list[str], folder: Path, environment: Mapping[str, str], *, changes: bool = False
) -> Took:
    """Run it; anything but success, or a change where none is due, ends the benchmark."""
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    done = subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    seconds, after = time.monotonic() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode or (CHANGED.search(done.stdout) and not changes):
        raise SystemExit(f"{command}\n{done.stdout}{done.stderr}")
    cpu = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
    return Took(seconds, cpu)


def commands(folder: Path, peers: Path) -> Commands:
    """By name, after one `cluster up`: what it has made is what the peers are to find."""
    ours = [sys.executable, "-m", "orchestrator", "cluster", "up", "--yes"]
    here = {"PYTHONPATH": str(Path(__file__).parents[1])}
    took(ours, folder, here, changes=True)
    return {
        SPARKCTL: (ours, here),
        "Ansible": ansible(folder, peers),
        "pyinfra": pyinfra(folder, peers),
    }


def measured(nodes: int, rounds: int, peers: Path) -> dict[str, list[Took]]:
    """On a lab of so many nodes."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        try:
            up(LabSpec(NAME, nodes=nodes, train_image=False, out=folder / "cluster.yaml"))
            all_three = commands(folder, peers)
            found: dict[str, list[Took]] = {name: [] for name in all_three}
            for name, (command, environment) in all_three.items():  # warm: connections, bytecode
                took(command, folder, environment)
                print(f"{nodes} nodes: {name} is warm", file=sys.stderr)
            for _ in range(rounds):
                for name, (command, environment) in all_three.items():
                    found[name].append(took(command, folder, environment))
        finally:
            down(NAME)
    return found


def import_seconds() -> float:
    """CPU seconds until all is imported that a `cluster up` with nothing to do imports, and no
    machine has been asked; the least of several."""
    code = (
        "import time, orchestrator.cli.main, orchestrator.cli.cluster, orchestrator.api.cluster, "
        "orchestrator.api.planning as planning, orchestrator.node.ssh, orchestrator.ui.plan_view\n"
        "planning.every_check(); print(time.process_time())"
    )
    here = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
    each = [
        float(subprocess.check_output([sys.executable, "-c", code], env=here)) for _ in range(7)
    ]
    return min(each)


def rows(nodes: int, found: Mapping[str, list[Took]]) -> list[str]:
    """Of the table."""
    lines = []
    for name, each in found.items():
        ratio = median(a.seconds / b.seconds for a, b in zip(found[SPARKCTL], each, strict=True))
        cpu = median(a.cpu / b.cpu for a, b in zip(found[SPARKCTL], each, strict=True))
        ratios = f"{ratio:.2f} | {cpu:.2f}" if name != SPARKCTL else " | "
        seconds = " ".join(f"{one.seconds:.2f}" for one in each)
        lines.append(
            f"| {nodes} | {name} | {median(one.seconds for one in each):.2f} | "
            f"{median(one.cpu for one in each):.2f} | {ratios} | {seconds} |"
        )
    return lines


def with_peers(folder: Path) -> Path:
    """An environment that has the peers and nothing of ours."""
    venv.create(folder, with_pip=True)
    subprocess.run([folder / "bin/pip", "install", "--quiet", *PEERS], check=True)
    return folder / "bin"


def main() -> None:
    """Measure, print, and perhaps write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--nodes", type=int, nargs="+", default=[2, 4])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--peers", type=Path, help="bin folder that has them; default: a new one")
    parser.add_argument("--write", action="store_true", help="into docs/benchmarks.md")
    given = parser.parse_args()
    table = [
        "| nodes | | median (s) | CPU here (s) | x of its time | x of its CPU | each (s) |",
        "|---|---|---|---|---|---|---|",
    ]
    with tempfile.TemporaryDirectory() as folder:
        peers = given.peers or with_peers(Path(folder))
        for nodes in given.nodes:
            table += rows(nodes, measured(nodes, given.rounds, peers))
    print("\n".join(table))
    load = os.getloadavg()[2] / (os.cpu_count() or 1)
    when = (
        f"{datetime.now(UTC):%Y-%m-%d}, {machine()}, load {load:.1f} a core, {given.rounds} rounds "
        f"in turns; {', '.join(PEERS)}; imports of sparkctl: {import_seconds():.2f} s of CPU."
    )
    print(when)
    if given.write:
        write("noop", "\n".join([when, "", *table]))


if __name__ == "__main__":
    main()
