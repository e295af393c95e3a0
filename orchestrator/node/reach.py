"""Whether a packet gets from one machine to a port of another, where nobody need listen yet."""

from dataclasses import dataclass
from typing import Literal

from orchestrator.templates import render_template


@dataclass(frozen=True)
class Door:
    """A port of a machine, as another one sees it."""

    protocol: Literal["tcp", "udp"]
    address: str
    port: int

    def __str__(self) -> str:
        return f"{self.protocol} {self.address} {self.port}"


def blocked_script(doors: tuple[Door, ...]) -> str:
    """Shell: those that are shut, one a line, all asked at the same time."""
    return render_template("node/blocked.sh.j2", doors=doors)


def shut(output: str, doors: tuple[Door, ...]) -> tuple[Door, ...]:
    """The doors that the script named."""
    named = set(output.splitlines())
    return tuple(door for door in doors if str(door) in named)
