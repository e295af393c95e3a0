"""The login user may use Docker without sudo: membership in group docker."""

import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from orchestrator.node.node import Node
from orchestrator.resources.base import Change, Stage, State, World


@dataclass(frozen=True)
class DockerGroup:
    """Takes effect at the next login; sparkctl itself does not wait for it.

    gpasswd writes /etc/group and then /etc/gshadow. Where the power goes between the two, the user
    is `half` a member: in the second file alone, which is not as it was.
    """

    kind: ClassVar[str] = "docker-group"
    stage: ClassVar[Stage] = Stage.HOST
    apart: ClassVar[bool] = False

    node: str
    user: str

    @property
    def name(self) -> str:
        return self.kind

    def observe(self, world: World) -> State:
        facts = world[self.node]
        member = "docker" in facts.groups
        half = not member and self.user in facts.docker_gshadow
        return {"member": member, "half": True} if half else {"member": member}

    def desired(self, world: World) -> State:
        return {"member": True}

    def reverted(self, world: World, original: State | None, written: State) -> State | None:
        """In neither file; half a member is what nobody asks for."""
        return original and {"member": original["member"]}

    def summary(self, before: State | None, after: State | None) -> str:
        joins = after is not None and after["member"]
        return f"{self.user} {'joins' if joins else 'leaves'} group docker"

    def notes(self, world: World, before: State | None, after: State | None) -> tuple[str, ...]:
        return ()

    def apply(self, nodes: Mapping[str, Node], change: Change) -> None:
        user = shlex.quote(self.user)
        if change.after is not None and change.after["member"]:
            nodes[self.node].script(f"usermod -aG docker {user}")
        else:
            nodes[self.node].script(f"gpasswd -d {user} docker >/dev/null")
