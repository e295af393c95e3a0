"""The login user may use Docker without sudo: membership in group docker."""

import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import ClassVar, Self

from orchestrator.node.node import Node
from orchestrator.resources.base import Change, Resource, Stage, State, World, members
from orchestrator.spec.cluster import ClusterSpec


@dataclass(frozen=True)
class DockerGroup(Resource):
    """Takes effect at the next login; sparkctl itself does not wait for it.

    gpasswd writes /etc/group and then /etc/gshadow. Where the power goes between the two, the user
    is `half` a member: in the second file alone, which is not as it was.
    """

    kind: ClassVar[str] = "docker-group"
    stage: ClassVar[Stage] = Stage.HOST
    place: ClassVar[int] = 10

    user: str

    @classmethod
    def wanted(cls, spec: ClusterSpec, world: World) -> Iterable[Self]:
        for facts in members(spec, world):
            if facts.uid != 0:  # root needs no group
                yield cls(facts.node, facts.user)

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

    def why_kept(self, world: World, original: State | None) -> str:
        half = f"{self.user} was in group docker in /etc/gshadow alone"
        return f"{half}; that half of a membership does not come back"

    def summary(self, before: State | None, after: State | None) -> str:
        joins = after is not None and after["member"]
        return f"{self.user} {'joins' if joins else 'leaves'} group docker"

    def absent(self, state: State | None) -> bool:
        return state is None or not state.get("member", True)

    def apply(self, nodes: Mapping[str, Node], change: Change) -> None:
        user = shlex.quote(self.user)
        if change.after is not None and change.after["member"]:
            nodes[self.node].script(f"usermod -aG docker {user}")
        else:
            nodes[self.node].script(f"gpasswd -d {user} docker >/dev/null")
