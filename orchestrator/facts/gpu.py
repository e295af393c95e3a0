"""GPUs, and NVIDIA's part of a container engine."""

from dataclasses import dataclass

from orchestrator import assets
from orchestrator.facts.fact import Group, Printed, Raw
from orchestrator.facts.values import text
from orchestrator.spec.cluster import PathsSpec


@dataclass(frozen=True)
class Gpu:
    """One GPU as nvidia-smi names it."""

    uuid: str
    name: str
    driver: str


@dataclass(frozen=True, kw_only=True)
class Gpus:
    """None where nvidia-smi does not answer."""

    gpus: tuple[Gpu, ...]
    nvidia_runtime: str | None
    """Path of nvidia-container-runtime."""
    nvidia_toolkit: str | None
    """What `nvidia-ctk --version` prints."""


def _shell(paths: PathsSpec) -> str:
    return assets.text("templates/facts/gpu.sh")


def _parse(raw: Raw) -> Gpus:
    rows = [[part.strip() for part in row.split(",")] for row in text(raw["gpus"]).splitlines()]
    return Gpus(
        gpus=tuple(Gpu(*row) for row in rows if len(row) == 3 and row[0].startswith("GPU-")),
        nvidia_runtime=text(raw["nvidia_runtime"]) or None,
        nvidia_toolkit=text(raw["nvidia_toolkit"]) or None,
    )


def _stock(number: int) -> Gpus:
    return Gpus(
        gpus=(Gpu(f"GPU-0000000{number}", "NVIDIA GB10", "580.95.05"),),
        nvidia_runtime="/usr/bin/nvidia-container-runtime",
        nvidia_toolkit="NVIDIA Container Toolkit CLI version 1.19.0",
    )


def _printed(facts: Gpus) -> Printed:
    return {
        "gpus": "".join(f"{gpu.uuid}, {gpu.name}, {gpu.driver}\n" for gpu in facts.gpus),
        "nvidia_runtime": facts.nvidia_runtime or "",
        "nvidia_toolkit": facts.nvidia_toolkit or "",
    }


GPUS = Group(_shell, _parse, _stock, _printed)
