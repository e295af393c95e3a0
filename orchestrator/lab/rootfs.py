"""Root file systems of Debian, from a registry where one answers, else from Debian's packages."""

import platform
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from docker import DockerClient
from docker.errors import APIError

from orchestrator.errors import LabError
from orchestrator.lab import engine, images, labels
from orchestrator.lab.context import archive, digest

_MOVING = ("forky",)  # not released: what a mirror keeps of it is past its date within a week


@dataclass(frozen=True)
class Rootfs:
    """A Debian suite and packages on top of it."""

    purpose: str
    suite: str
    packages: tuple[str, ...]

    @property
    def tag(self) -> str:
        """Image tag; another recipe has another tag."""
        return f"sparkctl-lab/rootfs:{self.purpose}-{self.suite}-{digest(*self.packages)}"

    @property
    def dockerfile(self) -> str:
        """The recipe where a registry answers."""
        return (
            f"FROM {self.base}\n"
            "RUN apt-get update \\\n"
            " && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends"
            f" {' '.join(self.packages)} \\\n"
            " && rm -rf /var/lib/apt/lists/*\n"
        )

    @property
    def base(self) -> str:
        """The registry's image of the suite."""
        return f"debian:{self.suite}-slim"


def ensure(client: DockerClient, rootfs: Rootfs) -> str:
    """The tag of an image with that root file system, built if it is not there.

    Raises:
        LabError: neither a registry nor Debian's packages could be used.
    """
    if images.present(client, rootfs.tag):
        return rootfs.tag
    if engine.reaches_registry(client, rootfs.base):
        images.build(client, archive({"Dockerfile": rootfs.dockerfile.encode()}), rootfs.tag)
    else:
        _bootstrap(client, rootfs)
    return rootfs.tag


def _bootstrap(client: DockerClient, rootfs: Rootfs) -> None:
    with tempfile.TemporaryDirectory(prefix="sparkctl-lab-") as folder:
        tar = Path(folder) / "rootfs.tar"
        debootstrap(rootfs, tar)
        name, _, tag = rootfs.tag.partition(":")
        try:
            client.api.import_image_from_file(
                str(tar), repository=name, tag=tag, changes=[f"LABEL {labels.LAB}={labels.SHARED}"]
            )
        except APIError as error:
            raise LabError(f"cannot import {rootfs.tag}", details=str(error)) from error


def debootstrap(rootfs: Rootfs, tar: Path) -> None:
    """Write the root file system to `tar` with mmdebstrap, from this machine's own mirror."""
    command = [
        "mmdebstrap",
        "--quiet",
        "--variant=minbase",
        f"--include={','.join(rootfs.packages)}",
        *(["--aptopt=Acquire::Check-Valid-Until false"] if rootfs.suite in _MOVING else []),
        "--dpkgopt=path-exclude=/usr/share/man/*",
        "--dpkgopt=path-exclude=/usr/share/locale/*",
        "--dpkgopt=path-exclude=/usr/share/doc/*",
        rootfs.suite,
        str(tar),
        mirror(),
    ]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise LabError(
            "no container registry answers, and mmdebstrap is not here to do without one",
            resolution="Go online, or on Debian: `apt-get install mmdebstrap`.",
        ) from None
    if done.returncode != 0:
        raise LabError(
            f"mmdebstrap could not make a {rootfs.suite} root file system",
            details=done.stderr[-2000:],
            resolution="See that `apt-get update` works on this computer.",
        )


def mirror() -> str:
    """The address that this machine's own apt takes its main packages from.

    Raises:
        LabError: this is no Debian machine, so it has no Debian mirror.
    """
    try:
        here = platform.freedesktop_os_release()
        done = subprocess.run(
            ["apt-get", "indextargets", "--format", "$(RELEASE) $(COMPONENT) $(REPO_URI)"],
            capture_output=True,
            text=True,
            check=False,
        )
    except OSError:
        here, rows = {}, []
    else:
        rows = [line.split() for line in done.stdout.splitlines()]
    for row in rows:
        if here.get("ID") == "debian" and row[:2] == [here.get("VERSION_CODENAME"), "main"]:
            return row[2]
    raise LabError(
        "no container registry answers, and this computer has no Debian mirror to do without one",
        resolution="Go online so that `docker pull debian:forky-slim` works.",
    )
