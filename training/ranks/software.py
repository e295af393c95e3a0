"""What this rank runs on: libraries, which must be the same on all ranks, and its machine."""

import re
from importlib.metadata import version
from pathlib import Path

import torch

from training.contract.errors import ConfigurationError

_LIBRARIES = ("torch", "transformers", "accelerate", "peft", "trl")
BASE = Path("/opt/sparkctl/base.sha256")
"""Of the packages of the base image; written when the image is built (entrypoints/Dockerfile)."""
_DRIVER = Path("/proc/driver/nvidia/version")
_LEAST = (2, 13)
"""FSDP2 of older ones leaves groups whole that ran in part: with trl's head that is the last norm
and the output layer. What a checkpoint then holds, nobody has tested."""


def software(device: torch.device) -> dict[str, str]:
    """Name and version of each; on a GPU also NCCL and CUDA's runtime."""
    found = {name: version(name) for name in _LIBRARIES}
    if BASE.exists():
        found["base image"] = BASE.read_text(encoding="utf-8").strip()[:12]
    if device.type == "cuda":
        found["CUDA"] = str(torch.version.cuda)
        found["NCCL"] = ".".join(map(str, torch.cuda.nccl.version()))
    return found


def machine(device: torch.device) -> str:
    """GPU and driver. Empty without a GPU."""
    if device.type != "cuda":
        return ""
    return f"{torch.cuda.get_device_name(device)}, driver {_driver(_DRIVER)}"


def _driver(file: Path) -> str:
    """As the kernel's module says; `unknown` where it does not."""
    try:
        text = file.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return "unknown"
    found = re.search(r"Kernel Module.*?\b(\d+\.\d+(?:\.\d+)*)\b", text)
    return found[1] if found else "unknown"


def require_torch_to_shard(installed: str) -> None:
    """Raise ConfigurationError for a torch that this sharding was never tested with."""
    numbers = tuple(int(part) for part in re.findall(r"\d+", installed)[:2])
    if numbers < _LEAST:
        raise ConfigurationError(
            "torch_too_old",
            f"the image has torch {installed}; a base is sharded over ranks with "
            f"{'.'.join(map(str, _LEAST))} or newer",
            "Set container.base_image to a newer image, or parallel.strategy to ddp.",
        )
