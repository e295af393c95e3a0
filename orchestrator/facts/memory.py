"""The machine's memory: on a Spark the CPU's and the GPU's are one; elsewhere a GPU has its own."""

import re
from dataclasses import dataclass

from orchestrator import assets
from orchestrator.facts.fact import Group, Printed, Raw
from orchestrator.facts.values import text


@dataclass(frozen=True, kw_only=True)
class Memory:
    """Bytes, as /proc/meminfo has them."""

    memory_bytes: int
    memory_available_bytes: int
    """The page cache counts as available."""
    gpu_memory_bytes: int | None = None
    """Of its smallest GPU; None where GPUs have none of their own: a Spark answers `[N/A]`."""

    @property
    def for_a_rank(self) -> int:
        """Bytes that there are for weights and all that a training holds."""
        return min(self.memory_bytes, self.gpu_memory_bytes or self.memory_bytes)

    def free(self, kept: float) -> int:
        """Bytes that a run can have now, where this share of all memory is to stay available."""
        return self.memory_available_bytes - int(kept * self.memory_bytes)


def _parse(raw: Raw) -> Memory:
    found = re.findall(r"^(\w+):\s+(\d+) kB$", text(raw["meminfo"]), flags=re.MULTILINE)
    memory = {name: int(kib) * 1024 for name, kib in found}
    gpus = text(raw.get("gpu_memory", b""))  # a glance at a machine does not ask for it
    own = re.findall(r"^\s*([1-9][0-9]{0,8})\s*(?:MiB)?\s*$", gpus, re.MULTILINE)
    return Memory(
        memory_bytes=memory.get("MemTotal", 0),
        memory_available_bytes=memory.get("MemAvailable", 0),
        gpu_memory_bytes=min((int(mib) * 2**20 for mib in own), default=None),
    )


def _printed(memory: Memory) -> Printed:
    rows = {"MemTotal": memory.memory_bytes, "MemAvailable": memory.memory_available_bytes}
    own = memory.gpu_memory_bytes
    return {
        "meminfo": "".join(f"{name}:  {size // 1024} kB\n" for name, size in rows.items()),
        "gpu_memory": "[N/A]" if own is None else str(own // 2**20),
    }


MEMORY = Group(
    lambda paths: assets.text("templates/facts/memory.sh"),
    _parse,
    lambda number: Memory(memory_bytes=128 * 10**9, memory_available_bytes=120 * 10**9),
    _printed,
)
