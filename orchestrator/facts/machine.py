"""All facts of one machine, and the order in which the one script reads them.

A new fact needs no line here: see `Fact`.
"""

from dataclasses import dataclass
from typing import Any

from orchestrator.facts.docker import DOCKER, Docker
from orchestrator.facts.dockerd import DOCKERD, Dockerd
from orchestrator.facts.engine import ENGINE, Engine
from orchestrator.facts.fact import Group, More
from orchestrator.facts.files import FILES, Files
from orchestrator.facts.folders import FOLDERS, Folders
from orchestrator.facts.gpu import GPUS, Gpus
from orchestrator.facts.journal import JOURNAL, Journal
from orchestrator.facts.login import GROUPS, LOGIN, Groups, Login
from orchestrator.facts.memory import MEMORY, Memory
from orchestrator.facts.network import NETWORK, SPEEDS, Network, Speeds
from orchestrator.facts.strangers import STRANGERS, Strangers
from orchestrator.facts.swarm import SWARM, Swarm
from orchestrator.facts.system import DISTRIBUTION, IDENTITY, KERNEL, Distribution, Identity, Kernel


@dataclass(frozen=True, kw_only=True)
class Machine(Login, Memory, Network, Engine):
    """What a run needs to know of a machine."""

    node: str


@dataclass(frozen=True, kw_only=True)
class Facts(
    Machine, Identity, Groups, Kernel, Speeds, Distribution, Gpus, Docker, Dockerd, Swarm,
    Strangers, Files, Folders, Journal, More,
):  # fmt: skip
    """A snapshot of one machine: with everything that `cluster` may change."""


Section = tuple[Group[Any], ...]

MACHINE: Section = (LOGIN, MEMORY, NETWORK, ENGINE)
"""What `Machine` has."""
SECTIONS: tuple[Section, ...] = (
    MACHINE,
    (IDENTITY, GROUPS, KERNEL, SPEEDS, DISTRIBUTION, GPUS),
    (DOCKER, DOCKERD, SWARM, STRANGERS),
    (FILES, FOLDERS, JOURNAL),
)
"""What `Facts` has; a piece of shell uses what those before it have set (`$user`, `$info`)."""
