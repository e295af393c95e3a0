"""A change as a plan would hold it, for tests of one resource."""

from orchestrator.resources.base import Change, Resource, State, World


def change_of(resource: Resource, world: World, after: State | None) -> Change:
    """From what the resource sees in `world` to `after`."""
    before = resource.observe(world)
    return Change(
        node=resource.node,
        resource=resource.name,
        action="delete" if after is None else "update",
        summary=resource.summary(before, after),
        stage=resource.stage,
        before=before,
        after=after,
    )
