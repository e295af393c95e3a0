"""What is in the machine's Docker: its client, containers, networks, images of ours."""

import re
from dataclasses import dataclass

from orchestrator.facts.answers import MOST_BYTES, questions
from orchestrator.facts.fact import Group, Printed, Raw
from orchestrator.facts.shell import shell
from orchestrator.facts.strangers import MOST
from orchestrator.facts.values import lines, text
from orchestrator.names import IMAGE, LABEL_RUN
from orchestrator.spec.cluster import PathsSpec

BRIDGE = "docker_gwbridge"
"""Network that Docker makes at the entry into a swarm and leaves behind at the way out."""


@dataclass(frozen=True, kw_only=True)
class Docker:
    """Nothing but names, none where the engine does not answer."""

    docker_cli: str | None
    """Version of the client."""
    containers: tuple[str, ...]
    """Names of those that run."""
    run_containers: tuple[str, ...]
    """Those with the label of a run, whatever state they are in."""
    networks: frozenset[str]
    images: tuple[str, ...]
    """Images that sparkctl built here."""


def _shell(paths: PathsSpec) -> str:
    return shell(
        "docker.sh",
        run_label=LABEL_RUN,
        most_strangers=MOST,
        questions=questions(),
        most_bytes=MOST_BYTES,
    )


def _parse(raw: Raw) -> Docker:
    return Docker(
        docker_cli=_version(text(raw["docker_cli"])),
        containers=tuple(lines(raw["containers"])),
        run_containers=tuple(lines(raw["run_containers"])),
        networks=frozenset(lines(raw["networks"])),
        # One that a user built upon ours has inherited its label.
        images=tuple(name for name in lines(raw["images"]) if name.startswith(f"{IMAGE}:")),
    )


def _version(output: str) -> str | None:
    match = re.search(r"(\d+(?:\.\d+)+)", output)
    return match[1] if match else None


def _stock(number: int) -> Docker:
    return Docker(
        docker_cli="29.2.1",
        containers=(),
        run_containers=(),
        networks=frozenset({"bridge", "host", "none"}),
        images=(),
    )


def _printed(docker: Docker) -> Printed:
    version = docker.docker_cli
    return {
        "docker_cli": f"Docker version {version}, build 0" if version else "",
        "containers": "\n".join(docker.containers),
        "run_containers": "\n".join(docker.run_containers),
        "networks": "\n".join(sorted(docker.networks)),
        "images": "\n".join(docker.images),
    }


DOCKER = Group(_shell, _parse, _stock, _printed)
