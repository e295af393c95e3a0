"""The GPU: there, answering, reachable from a container, and free."""

from collections.abc import Iterator

from orchestrator.doctor.check import OfMachine, OfRank, Problem
from orchestrator.doctor.readiness import NodeReadiness, Wanted
from orchestrator.facts.machine import Facts
from orchestrator.spec.cluster import ClusterSpec
from orchestrator.stack.ranks import Rank


@OfMachine.about(
    "gpu",
    before=("up",),
    order=220,
    why="The swarm offers GPUs by their UUIDs, which nvidia-smi reports.",
    fix="Run `nvidia-smi` there; after an update a reboot may be due.",
)
def gpu_is_there(facts: Facts, spec: ClusterSpec) -> Iterator[Problem]:
    """At least one."""
    if not facts.gpus:
        yield Problem(f"nvidia-smi shows no GPU on {facts.node}")


@OfMachine.about(
    "gpu",
    before=("up",),
    order=221,
    why="Without it no container sees the GPU.",
    fix="Install the NVIDIA Container Toolkit (package nvidia-container-toolkit).",
)
def container_runtime_is_there(facts: Facts, spec: ClusterSpec) -> Iterator[Problem]:
    """DGX OS brings it."""
    if facts.nvidia_runtime is None:
        yield Problem(f"nvidia-container-runtime is not installed on {facts.node}")


@OfRank.about(
    "gpu",
    before=("train",),
    order=100,
    why="A rank without a GPU fails as soon as it starts.",
    fix="Look at the driver: nvidia-smi",
)
def gpu_answers(wanted: Wanted, rank: Rank, reading: NodeReadiness) -> Iterator[Problem]:
    """Just now."""
    if not reading.gpu_answers:
        yield Problem("nvidia-smi does not answer")


@OfRank.about(
    "gpu",
    before=("train",),
    order=110,
    why="Two programs on one GPU share its memory and slow each other down.",
    fix="End that process, or wait for it.",
)
def gpu_is_free(wanted: Wanted, rank: Rank, reading: NodeReadiness) -> Iterator[Problem]:
    """Of every process that computes there."""
    for user in reading.gpu_users:
        yield Problem(f"the GPU is in use: {user}")
