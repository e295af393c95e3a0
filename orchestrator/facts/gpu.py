"""GPUs, and NVIDIA's part of a container engine."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from orchestrator import assets
from orchestrator.facts.fact import Group, Printed, Raw
from orchestrator.facts.values import text
from orchestrator.spec.cluster import PathsSpec


@dataclass(frozen=True)
class Gauges:
    """What a GPU does at this moment; None is `[N/A]`, which a Spark answers for memory."""

    utilization: float | None = None
    """Percent of the last moments in which any kernel ran."""
    power: float | None = None
    """Watts."""
    temperature: float | None = None
    """Degrees Celsius."""
    memory_used: int | None = None
    """Bytes of its own memory."""


NO_GAUGES = Gauges()
_NAMES, _GAUGES = 3, 4
"""Columns of nvidia-smi's answer."""
_IDLE = Gauges(0.0, 4.5, 42.0)


@dataclass(frozen=True)
class Gpu:
    """One GPU as nvidia-smi names it."""

    uuid: str
    name: str
    driver: str
    now: Gauges = NO_GAUGES


@dataclass(frozen=True, kw_only=True)
class Gpus:
    """None where nvidia-smi does not answer."""

    gpus: tuple[Gpu, ...]
    nvidia_runtime: str | None
    """Path of nvidia-container-runtime."""
    nvidia_toolkit: str | None
    """What `nvidia-ctk --version` prints."""


def gpus_shell() -> str:
    """Shell that prints what `parse_gpus` reads, as `gpus`."""
    return assets.text("templates/facts/gpus.sh")


def _shell(paths: PathsSpec) -> str:
    return gpus_shell() + assets.text("templates/facts/gpu.sh")


def _parse(raw: Raw) -> Gpus:
    return Gpus(
        gpus=parse_gpus(text(raw["gpus"])),
        nvidia_runtime=text(raw["nvidia_runtime"]) or None,
        nvidia_toolkit=text(raw["nvidia_toolkit"]) or None,
    )


def parse_gpus(rows: str) -> tuple[Gpu, ...]:
    """A GPU a line; its gauges are not there where nvidia-smi does not know one of them."""
    split = [[part.strip() for part in row.split(",")] for row in rows.splitlines()]
    return tuple(
        Gpu(row[0], row[1], row[2], _gauges(row[3:]))
        for row in split
        if len(row) in (_NAMES, _NAMES + _GAUGES) and row[0].startswith("GPU-")
    )


def printed_gpus(gpus: Sequence[Gpu]) -> str:
    """The inverse of `parse_gpus`."""
    return "".join(
        f"{gpu.uuid}, {gpu.name}, {gpu.driver}, {_number(gpu.now.utilization)}, "
        f"{_number(gpu.now.power)}, {_number(gpu.now.temperature)}, {_mib(gpu.now.memory_used)}\n"
        for gpu in gpus
    )


def _gauges(row: Sequence[str]) -> Gauges:
    if not row:
        return NO_GAUGES
    utilization, power, temperature, memory = (
        float(found[0]) if (found := re.match(r"[0-9]{1,9}(\.[0-9]{1,9})?", part)) else None
        for part in row
    )
    return Gauges(utilization, power, temperature, None if memory is None else int(memory * 2**20))


def _number(value: float | None) -> str:
    return "[N/A]" if value is None else f"{value:.2f}"


def _mib(size: int | None) -> str:
    return "[N/A]" if size is None else str(size // 2**20)


def _stock(number: int) -> Gpus:
    return Gpus(
        gpus=(Gpu(f"GPU-0000000{number}", "NVIDIA GB10", "580.95.05", _IDLE),),
        nvidia_runtime="/usr/bin/nvidia-container-runtime",
        nvidia_toolkit="NVIDIA Container Toolkit CLI version 1.19.0",
    )


def _printed(facts: Gpus) -> Printed:
    return {
        "gpus": printed_gpus(facts.gpus),
        "nvidia_runtime": facts.nvidia_runtime or "",
        "nvidia_toolkit": facts.nvidia_toolkit or "",
    }


GPUS = Group(_shell, _parse, _stock, _printed)
