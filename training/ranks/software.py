"""What this rank computes with: versions that must be the same on all ranks, and what only may."""

import os
import re
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path

import torch

from training.contract.errors import ConfigurationError

_LIBRARIES = ("torch", "transformers", "accelerate", "peft", "trl")
BASE = "SPARKCTL_BASE_ID"
"""In the image: which base it was built upon (`orchestrator/artifacts/image.py`)."""
_DRIVER = Path("/proc/driver/nvidia/version")
_DRIVER_VERSION = re.compile(r"\b\d{3,}\.\d+(?:\.\d+)?\b")
SHARDS_WITH = (2, 13)
"""torch whose FSDP2 completes a group of layers of which only some ran: trl's loss runs the norm of
the group `[norm, lm_head]` alone. 2.10 leaves such a group as it is (both read)."""


def software(device: torch.device, environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Versions by name, of what decides what a rank computes and whether it can talk to others.

    On CUDA with NCCL and CUDA's runtime. `base image` where the image says it.
    """
    found = {name: version(name) for name in _LIBRARIES}
    if device.type == "cuda":
        found["NCCL"] = ".".join(map(str, torch.cuda.nccl.version()))
        found["CUDA"] = str(torch.version.cuda)
    if base := environ.get(BASE):
        found["base image"] = base
    return found


def machine(device: torch.device, driver: Path = _DRIVER) -> dict[str, str]:
    """GPU and driver by name; empty without a GPU.

    The kernel module says its version where a container sees it too, without NVML or a program.
    """
    if device.type != "cuda":
        return {}
    found = {"GPU": torch.cuda.get_device_name(device)}
    said = driver.read_text(encoding="utf-8") if driver.exists() else ""
    if numbers := _DRIVER_VERSION.search(said):
        found["driver"] = numbers.group()
    return found


def require_whole_groups(torch_version: str) -> None:
    """Raise `ConfigurationError` for a torch that must not shard; `2.13.0a0+…` counts as 2.13."""
    major, minor = torch_version.split(".")[:2]
    if (int(major), int(minor)) < SHARDS_WITH:
        raise ConfigurationError(
            "torch_too_old",
            f"this image has torch {torch_version}, and sharding (FSDP2) needs "
            f"{'.'.join(map(str, SHARDS_WITH))} or newer",
            "Set container.base_image to an image with such a torch (the default has), or "
            "parallel.strategy to ddp where a whole copy of the model fits on every node.",
        )
