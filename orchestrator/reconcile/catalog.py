"""All resources of a cluster, in the order in which they are made."""

from orchestrator.resources.base import Resource, Stage, World, members
from orchestrator.resources.registry import REGISTRY
from orchestrator.spec.cluster import ClusterSpec


def resources_for(spec: ClusterSpec, world: World) -> list[Resource]:
    """What the cluster file asks for, of the machines that were read; the manager is one.

    By stage. Of the first one machine after the other, as each is worked on; what comes after is
    about all of them: kind after kind.
    """
    order = [facts.node for facts in members(spec, world)]
    found = [resource for one in REGISTRY for resource in one.wanted(spec, world)]

    def turn(resource: Resource) -> tuple[Stage, int]:
        of_one = resource.stage == Stage.HOST
        return resource.stage, order.index(resource.node) if of_one else 0

    return sorted(found, key=turn)


def leftovers(node: str) -> list[Resource]:
    """What `down` looks for on a machine beside its journal: what was made last comes first."""
    found = [resource for one in REGISTRY for resource in one.left_on(node)]
    return sorted(found, key=lambda resource: -resource.stage)
