"""What memory there is and was, read from the kernel."""

from pathlib import Path


def memory_total(meminfo: Path = Path("/proc/meminfo")) -> int:
    """MemTotal in bytes. On unified memory (GB10) this is the GPU's memory as well."""
    return _bytes(meminfo, "MemTotal")


def memory_available(meminfo: Path = Path("/proc/meminfo")) -> int:
    """MemAvailable in bytes: what can be had without swapping, page cache included."""
    return _bytes(meminfo, "MemAvailable")


def memory_peak(status: Path = Path("/proc/self/status")) -> int:
    """The most that this process ever held at once (VmHWM), in bytes; not on a GPU of its own."""
    return _bytes(status, "VmHWM")


def _bytes(file: Path, name: str) -> int:
    for line in file.read_text(encoding="utf-8").splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) * 1024
    raise ValueError(f"{file} has no {name} line")
