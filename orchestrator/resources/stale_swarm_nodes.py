"""The manager's list of swarm nodes, less those of ours that are no longer in the cluster.

A node that was taken out of the cluster file, or that came back as another machine, stays in the
list as `Down`, or as `Ready` for Swarm to place tasks on, until somebody removes it.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

from orchestrator.errors import PreflightError
from orchestrator.names import LABEL_CLUSTER, LABEL_NODE
from orchestrator.node.node import Node
from orchestrator.resources.base import Change, Resource, Stage, State, World
from orchestrator.spec.cluster import ClusterSpec


@dataclass(frozen=True)
class StaleSwarmNodes(Resource):
    """Nodes that joined by our hand and belong no longer. Those of others stay."""

    kind: ClassVar[str] = "swarm-list"
    stage: ClassVar[Stage] = Stage.WORKERS
    place: ClassVar[int] = 20
    journaled: ClassVar[bool] = False

    cluster: str
    members: tuple[str, ...]
    """Names of the nodes that are to be in the cluster, reachable or not."""

    @classmethod
    def wanted(cls, spec: ClusterSpec, world: World) -> Iterable[Self]:
        return [cls(spec.manager.name, spec.name, tuple(node.name for node in spec.members))]

    def observe(self, world: World) -> State | None:
        former = {
            str(listed["ID"]): _name(listed)
            for listed in world[self.node].swarm_nodes
            if self._is_former(listed, world)
        }
        return {"former": former} if former else None

    def desired(self, world: World) -> State | None:
        manager = world[self.node]
        for listed in manager.swarm_nodes:
            if self._is_former(listed, world) and _host(listed) in manager.busy:
                raise PreflightError(
                    f"{_name(listed)} is to leave the swarm, and a rank of a run is on it",
                    details="It is not in the cluster file any more, or another machine now.",
                    resolution="Put it back into the file, or let the run end first: "
                    "`sparkctl runs list`, `sparkctl runs stop RUN`.",
                    node=self.node,
                )
        return None

    def summary(self, before: State | None, after: State | None) -> str:
        former = (before or {}).get("former", {})
        return f"remove the former nodes {', '.join(sorted(former.values()))} from the swarm"

    def notes(self, world: World, before: State | None, after: State | None) -> tuple[str, ...]:
        gone = sorted({n for n in (before or {}).get("former", {}).values() if n not in world})
        if not gone:
            return ()
        forgets = f"{', '.join(gone)}: only the swarm forgets it. To restore the machine itself"
        return (f"{forgets}, keep it in the file with `state: absent`",)

    def apply(self, nodes: Mapping[str, Node], change: Change) -> None:
        from orchestrator.resources.actions.swarm_leave import forget

        for node_id in (change.before or {}).get("former", {}):
            forget(nodes[self.node], node_id)

    def _is_former(self, listed: Mapping[str, Any], world: World) -> bool:
        if (listed["Spec"].get("Labels") or {}).get(LABEL_CLUSTER) != self.cluster:
            return False
        if str(listed["ID"]) in {facts.swarm_node_id for facts in world.values()}:
            return False  # it is one of these machines, whatever its label says
        name = _name(listed)
        return name in world or (name not in self.members and not self._is_somebody_missed(world))

    def _is_somebody_missed(self, world: World) -> bool:
        """Whether a member that could not be read may stand in the list under any name."""
        names = {_name(listed) for listed in world[self.node].swarm_nodes}
        return not {*self.members} <= {*world} | names


def _host(listed: Mapping[str, Any]) -> str:
    return str((listed.get("Description") or {}).get("Hostname", ""))


def _name(listed: Mapping[str, Any]) -> str:
    return str((listed["Spec"].get("Labels") or {}).get(LABEL_NODE, listed["ID"]))
