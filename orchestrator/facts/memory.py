"""The machine's memory: on a Spark the CPU's and the GPU's are one."""

import re
from dataclasses import dataclass

from orchestrator.facts.fact import Group, Printed, Raw
from orchestrator.facts.values import text


@dataclass(frozen=True, kw_only=True)
class Memory:
    """Bytes, as /proc/meminfo has them."""

    memory_bytes: int
    memory_available_bytes: int
    """The page cache counts as available."""


def _parse(raw: Raw) -> Memory:
    found = re.findall(r"^(\w+):\s+(\d+) kB$", text(raw["meminfo"]), flags=re.MULTILINE)
    memory = {name: int(kib) * 1024 for name, kib in found}
    return Memory(
        memory_bytes=memory.get("MemTotal", 0),
        memory_available_bytes=memory.get("MemAvailable", 0),
    )


def _printed(memory: Memory) -> Printed:
    rows = {"MemTotal": memory.memory_bytes, "MemAvailable": memory.memory_available_bytes}
    return {"meminfo": "".join(f"{name}:  {size // 1024} kB\n" for name, size in rows.items())}


MEMORY = Group(
    lambda paths: "fact meminfo\ncat /proc/meminfo\n",
    _parse,
    lambda number: Memory(memory_bytes=128 * 10**9, memory_available_bytes=120 * 10**9),
    _printed,
)
