"""How dockerd is installed and started on the machine."""

from dataclasses import dataclass

from orchestrator.facts.fact import Group, Printed, Raw
from orchestrator.facts.shell import shell
from orchestrator.facts.values import lines, text
from orchestrator.names import DAEMON_JSON
from orchestrator.spec.cluster import PathsSpec


@dataclass(frozen=True, kw_only=True)
class Dockerd:
    """The process, and what is known of it while it is down."""

    dockerd_flags: tuple[str, ...]
    """Arguments of the running dockerd; what is set there must not be in daemon.json too."""
    docker_from: str
    """Another way to install Docker than docker.service; empty for none."""
    docker_log: str
    """The last lines of docker.service, when the engine does not answer."""
    docker_root: str
    """Docker's data-root, as daemon.json has it."""


def _shell(paths: PathsSpec) -> str:
    return shell("dockerd.sh", daemon_json=DAEMON_JSON)


def _parse(raw: Raw) -> Dockerd:
    return Dockerd(
        dockerd_flags=tuple(lines(raw["dockerd_flags"])),
        docker_from=text(raw["docker_from"]),
        docker_log=text(raw.get("docker_log", b"")),
        docker_root=text(raw["docker_root"]),
    )


def _stock(number: int) -> Dockerd:
    return Dockerd(
        dockerd_flags=("-H", "fd://", "--containerd=/run/containerd/containerd.sock"),
        docker_from="",
        docker_log="",
        docker_root="/var/lib/docker",
    )


def _printed(dockerd: Dockerd) -> Printed:
    return {
        "dockerd_flags": "\n".join(dockerd.dockerd_flags),
        "docker_from": dockerd.docker_from,
        "docker_log": dockerd.docker_log,
        "docker_root": dockerd.docker_root,
    }


DOCKERD = Group(_shell, _parse, _stock, _printed)
