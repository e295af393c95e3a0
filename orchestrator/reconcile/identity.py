"""What machines are called now: a journal may know one by another name. Pure."""

from orchestrator.reconcile.journal import records
from orchestrator.resources.base import World
from orchestrator.resources.swarm import SwarmManager


def present_names(world: World) -> dict[str, str]:
    """What the managers of journals are called now, by their former names."""
    return {
        record.former: facts.node
        for facts in world.values()
        for record in records(facts)
        if record.former and isinstance(record.resource, SwarmManager)
    }
