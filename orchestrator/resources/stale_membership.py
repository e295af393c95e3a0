"""A stale membership of our own: of a swarm that is gone, or on a former address."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from orchestrator.node.node import Node
from orchestrator.resources.base import Change, Resource, Stage, State, World


@dataclass(frozen=True)
class StaleMembership(Resource):
    """Wanted absent; the right one is made by the plan that comes after."""

    kind: ClassVar[str] = "membership"
    stage: ClassVar[Stage] = Stage.WORKERS
    journaled: ClassVar[bool] = False

    manager: str
    problem: str
    """Why it cannot stay, in words."""

    def observe(self, world: World) -> State | None:
        facts = world[self.node]
        if facts.swarm_state == "inactive":
            return None
        return {"state": facts.swarm_state, "node_id": facts.swarm_node_id}

    def desired(self, world: World) -> State | None:
        return None

    def summary(self, before: State | None, after: State | None) -> str:
        return "leave the swarm"

    def notes(self, world: World, before: State | None, after: State | None) -> tuple[str, ...]:
        facts = world[self.node]
        running = [name for name in facts.run_containers if name in facts.containers]
        ends = (f"training containers end: {', '.join(running)}",) if running else ()
        return (self.problem, *ends)

    def apply(self, nodes: Mapping[str, Node], change: Change) -> None:
        from orchestrator.resources.actions.swarm_leave import leave

        leave(nodes, self.node, self.manager)
