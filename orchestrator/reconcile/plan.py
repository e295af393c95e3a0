"""The plan: what is printed is what is executed. Pure functions of the spec and the facts.

A world may lack machines that could not be reached: nothing is planned for those.
"""

from dataclasses import dataclass, replace
from typing import Any, Literal

from orchestrator.reconcile.advice import advice
from orchestrator.reconcile.catalog import leftovers, resources_for
from orchestrator.reconcile.evidence import unexplained
from orchestrator.reconcile.identity import present_names
from orchestrator.reconcile.journal import records
from orchestrator.reconcile.other import Other
from orchestrator.reconcile.others import others
from orchestrator.resources.base import Action, Change, Resource, Stage, State, WayBack, World
from orchestrator.spec.cluster import ClusterSpec

Direction = Literal["up", "down", "repair"]


@dataclass(frozen=True)
class Step:
    """A change, and the resource that makes it."""

    resource: Resource
    change: Change
    record: str | None = None
    """The journal record that this restores: it is deleted when the change is made."""
    journaled: bool = False
    """What is there now goes into the journal before the change is made."""


@dataclass(frozen=True)
class Plan:
    """Ordered changes. Steps of one stage run in parallel over nodes, in order on each node."""

    cluster: str
    direction: Direction
    steps: tuple[Step, ...]
    already_restored: tuple[tuple[str, str], ...] = ()
    """(node, record) pairs whose things are already as they were."""
    kept: tuple[str, ...] = ()
    """What stays behind on purpose on machines that are restored, in words."""
    others: tuple[Other, ...] = ()
    """What is not sparkctl's and ends or stops with these changes."""
    advice: tuple[str, ...] = ()
    """What is not sparkctl's to change and will be felt in a run, in words."""
    delete_runs: bool = False
    """`down`: what runs have written goes too."""

    @property
    def changes(self) -> tuple[Change, ...]:
        """All changes, in order."""
        return tuple(step.change for step in self.steps)

    @property
    def nodes(self) -> list[str]:
        """Nodes that something happens on."""
        return list(dict.fromkeys(change.node for change in self.changes))

    def to_dict(self) -> dict[str, Any]:
        """Plain data; docs/json.md."""
        return {
            "cluster": self.cluster,
            "direction": self.direction,
            "changes": [change.to_dict() for change in self.changes],
            "kept": list(self.kept),
            "others": [other.to_dict() for other in self.others],
            "advice": list(self.advice),
        }


def plan_up(spec: ClusterSpec, world: World) -> Plan:
    """What `cluster up` has to change. Nothing, when reality is as the file says.

    Nodes with `state: absent` are restored first, all at the same time.
    """
    leaving = _restored(spec, world, [n.name for n in spec.nodes if n.state == "absent"])
    steps = [replace(step, change=replace(step.change, stage=Stage.HOST)) for step in leaving.steps]
    for resource in resources_for(spec, world):
        change = change_of(resource, world)
        if change.before != change.after:
            steps.append(Step(resource, change, journaled=resource.journaled))
    ordered = sorted(steps, key=lambda step: step.change.stage)
    plan = replace(leaving, direction="up", steps=tuple(ordered), advice=advice(spec, world))
    return with_others(plan, spec, world)


def plan_down(spec: ClusterSpec, world: World, *, delete_runs: bool = False) -> Plan:
    """What `cluster down` has to change: the journals backwards, and what runs left behind."""
    plan = _restored(spec, world, [n.name for n in spec.nodes], delete_runs=delete_runs)
    ordered = sorted(plan.steps, key=lambda step: -step.change.stage)
    plan = replace(plan, steps=tuple(ordered), delete_runs=delete_runs)
    return with_others(plan, spec, world)


def with_others(plan: Plan, spec: ClusterSpec, world: World) -> Plan:
    """The plan, with what it does to others."""
    return replace(plan, others=others(spec, world, plan.changes))


def change_of(resource: Resource, world: World) -> Change:
    """From what is there to what should be; the same state twice is no change."""
    return _change(resource, world, resource.observe(world), resource.desired(world))


def _restored(
    spec: ClusterSpec, world: World, names: list[str], *, delete_runs: bool = False
) -> Plan:
    """The way back of these nodes, each in the reverse order of its journal."""
    way = WayBack(spec, delete_runs, present_names(world))
    steps: list[Step] = []
    already_restored: list[tuple[str, str]] = []
    kept: list[str] = []
    for facts in (world[name] for name in names if name in world):
        name = facts.node
        for leftover in leftovers(name):
            before = leftover.observe(world)
            if before is not None:
                steps.append(Step(leftover, _change(leftover, world, before, None)))
        for record in reversed(records(facts)):
            resource = record.resource.for_way_back(way)
            before = resource.observe(world)
            after = resource.reverted(world, record.original, record.written)
            if after != record.original:
                kept.append(f"{name}: {resource.why_kept(world, record.original)}")
            if before != after:
                change = _change(resource, world, before, after)
                steps.append(Step(resource, change, record.file))
                world = resource.foreseen(world, change)
            elif after == record.original or not resource.may_go_later(way, world, record.original):
                already_restored.append((name, record.file))
        kept += [f"{name}: {words}" for words in unexplained(spec, facts)]
    return Plan(spec.name, "down", tuple(steps), tuple(already_restored), tuple(kept))


def _change(resource: Resource, world: World, before: State | None, after: State | None) -> Change:
    return Change(
        node=resource.node,
        resource=resource.name,
        action=_action(resource, before, after),
        summary=resource.summary(before, after),
        stage=resource.stage,
        before=before,
        after=after,
        notes=resource.notes(world, before, after),
    )


def _action(resource: Resource, before: State | None, after: State | None) -> Action:
    if resource.absent(after):
        return "delete"
    return "create" if resource.absent(before) else "update"
