"""What a machine does at this moment: GPU, memory, and how far its runs are. One exec."""

from dataclasses import dataclass

from pydantic import ValidationError

from orchestrator.facts.gpu import Gpu, gpus_shell, parse_gpus
from orchestrator.facts.memory import MEMORY, Memory
from orchestrator.facts.protocol import decode, parsing
from orchestrator.facts.values import text
from orchestrator.names import LABEL_RUN
from orchestrator.node.node import Node
from orchestrator.spec.cluster import PathsSpec
from orchestrator.templates import render_template
from training.contract.files import is_run_name
from training.contract.heartbeat import Heartbeat

_DEADLINE = 10.0
"""Seconds; a machine that takes longer is shown as one that does not answer."""
_LONGEST_PHASE = 24
"""Characters; a container may have written any."""


@dataclass(frozen=True)
class RunNow:
    """A run that has a container there."""

    run: str
    phase: str | None
    """What its rank was doing at its last heartbeat; None without one."""
    step: int | None
    """Optimizer steps made."""


@dataclass(frozen=True, kw_only=True)
class Glance(Memory):
    """A machine at this moment."""

    gpus: tuple[Gpu, ...]
    """None where nvidia-smi does not answer."""
    runs: tuple[RunNow, ...]


@dataclass(frozen=True)
class Seen:
    """A machine as it was seen last."""

    glance: Glance | None
    """None before its first answer."""
    problem: str | None
    """Why it is not known how it is now."""


def glance_script(paths: PathsSpec) -> str:
    """The script; it changes nothing."""
    return render_template("runs/glance.sh.j2", runs=paths.runs, gpus=gpus_shell(), label=LABEL_RUN)


def read_glance(node: Node, paths: PathsSpec) -> Glance:
    """One exec on the node, as whoever may use Docker. Raises RemoteError, ConnectError."""
    output = node.output(glance_script(paths), need="docker", deadline=_DEADLINE)
    with parsing(node.name, __file__):
        return parse_glance(output)


def parse_glance(output: bytes) -> Glance:
    """What the script has printed. Raises ValueError and the like where it cannot be that."""
    raw = decode(output)
    runs = {name.removeprefix("run."): beat for name, beat in raw.items() if name[:4] == "run."}
    return Glance(
        **vars(MEMORY.parse(raw)),
        gpus=parse_gpus(text(raw["gpus"])),
        runs=tuple(_run(run, beat) for run, beat in sorted(runs.items()) if is_run_name(run)),
    )


def _run(run: str, beat: bytes) -> RunNow:
    try:
        heartbeat = Heartbeat.model_validate_json(beat)
    except ValidationError:  # none yet, or one that nobody can understand
        return RunNow(run, None, None)
    return RunNow(run, heartbeat.phase[:_LONGEST_PHASE], heartbeat.step)
