"""The image of a simulated Spark."""

from dataclasses import dataclass
from importlib.resources import files

from docker import DockerClient

from orchestrator.lab import images, rootfs
from orchestrator.lab.context import archive, digest, read_tree

PACKAGES = (
    *("systemd", "systemd-sysv", "dbus", "openssh-server", "sudo", "iproute2", "iptables"),
    *("ca-certificates", "docker.io", "procps", "iputils-ping", "rsync", "python3", "tcsh"),
)
EXTRA_PACKAGES = {"forky": ("docker-cli", "sudo-rs"), "trixie": ("docker-cli",), "bookworm": ()}
"""By Debian's suite: forky (testing) has Docker 28.5 and trixie 26.1, with the command line apart;
bookworm has 20.10 in one package. sudo-rs lies there beside sudo, and is not used."""


@dataclass(frozen=True)
class NodeImage:
    """A Spark with the engine of one Debian suite."""

    suite: str

    @property
    def rootfs(self) -> rootfs.Rootfs:
        """The Debian below it."""
        return rootfs.Rootfs("node", self.suite, PACKAGES + EXTRA_PACKAGES[self.suite])

    @property
    def context(self) -> bytes:
        """The build context: the Dockerfile and the files that make a Debian a Spark."""
        return archive(read_tree(files("orchestrator.lab") / "files" / "node"))

    @property
    def tag(self) -> str:
        """Image tag; another recipe has another tag."""
        return f"sparkctl-lab/node:{self.suite}-{digest(self.rootfs.tag, self.context)}"


def ensure(client: DockerClient, image: NodeImage) -> str:
    """The tag of the node image, built if it is not there."""
    if not images.present(client, image.tag):
        base = rootfs.ensure(client, image.rootfs)
        images.build(client, image.context, image.tag, {"ROOTFS": base})
    return image.tag
