"""The image that training runs in inside the nodes: Python, torch for CPU, training's requirements.

Its tag names its content, so an image of other requirements is another image.
"""

import os
import sys
import tarfile
import tempfile
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from docker import DockerClient

from orchestrator import assets
from orchestrator.errors import LabError
from orchestrator.lab import engine, images, rootfs, train_packages
from orchestrator.lab.context import archive, digest, read_tree

TORCH = "torch==2.13.0"
"""training/requirements.txt leaves torch to the base image, as on a real Spark."""

BASE = "python:3.11-slim"

PIP_OPTIONS = "SPARKCTL_LAB_PIP_OPTIONS"
"""Environment variable with more options for `pip install`, such as an index of CPU builds."""

DEBIAN_OF_PYTHON = {(3, 11): "bookworm", (3, 13): "trixie"}
"""Without a registry pip runs here, for the Debian whose Python is of the same version."""


@dataclass(frozen=True)
class TrainImage:
    """The training image for one list of requirements."""

    requirements: bytes

    @property
    def context(self) -> bytes:
        """The build context."""
        recipe = read_tree(files("orchestrator.lab") / "files" / "train")
        return archive(recipe | {"requirements.txt": self.requirements})

    @property
    def tag(self) -> str:
        """Image tag; other requirements or another recipe have another tag."""
        return f"sparkctl-lab/train-base:{digest(TORCH, BASE, self.context)}"


def current() -> TrainImage:
    """The image for training/requirements.txt; a changed comment there is no other image."""
    lines = assets.text("training/requirements.txt").splitlines()
    pins = sorted(line.partition("#")[0].strip() for line in lines)
    return TrainImage("".join(f"{pin}\n" for pin in pins if pin).encode())


def ensure(client: DockerClient, image: TrainImage) -> str:
    """The tag of the training image, built on the outer engine if it is not there.

    Raises:
        LabError: pip failed, or there is no Debian with this Python.
    """
    if images.present(client, image.tag):
        return image.tag
    options = os.environ.get(PIP_OPTIONS, "")
    if engine.reaches_registry(client, BASE):
        arguments = {"TORCH": TORCH, "PIP_OPTIONS": options}
        images.build(client, image.context, image.tag, arguments)
    else:
        _assemble(client, image, options.split())
    return image.tag


def _assemble(client: DockerClient, image: TrainImage, pip_options: list[str]) -> None:
    """Debian's Python and what pip installs here, put together without a registry."""
    suite = DEBIAN_OF_PYTHON.get(sys.version_info[:2])
    if suite is None:
        raise LabError(
            "no container registry answers, and no Debian has this Python"
            f" ({sys.version_info.major}.{sys.version_info.minor})",
            resolution="Go online, run sparkctl with Python 3.11 or 3.13, or use --no-train-image.",
        )
    base = rootfs.ensure(client, rootfs.Rootfs("train", suite, ("python3", "ca-certificates")))
    with tempfile.TemporaryDirectory(prefix="sparkctl-lab-") as folder:
        root = Path(folder) / "root"
        train_packages.install(image.requirements, TORCH, root, pip_options)
        tar = Path(folder) / "root.tar"
        with tarfile.open(tar, "w") as archived:
            archived.add(root, arcname="", filter=_owned_by_root)
        images.extend(client, base, tar, image.tag)


def _owned_by_root(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    entry.uid = entry.gid = 0
    entry.uname = entry.gname = ""
    return entry
