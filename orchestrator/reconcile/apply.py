"""Apply a plan: locked, journaled, in parallel over nodes, and observed again at the end."""

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from itertools import groupby

from orchestrator.errors import (
    ChangeError,
    ConnectError,
    LockLostError,
    RemoteError,
    SparkctlError,
    StoppedError,
)
from orchestrator.node.docker_errors import is_of_docker
from orchestrator.node.node import Node
from orchestrator.node.parallel import on_each, raise_all, try_each
from orchestrator.reconcile import journal
from orchestrator.reconcile.current_changes import CurrentChanges
from orchestrator.reconcile.events import ChangeDone, ChangeFailed, ChangeStarted, Listener
from orchestrator.reconcile.lock import CHANGES, LAUNCH, locked
from orchestrator.reconcile.observe import observe
from orchestrator.reconcile.owner import Owner
from orchestrator.reconcile.plan import Plan, Step
from orchestrator.reconcile.plan_file import ensure_unchanged
from orchestrator.resources.base import World
from orchestrator.spec.cluster import ClusterSpec

Planner = Callable[[World], Plan]
"""Makes the plan again from other facts."""


def apply_plan(
    shown: Plan,
    planner: Planner,
    spec: ClusterSpec,
    nodes: Mapping[str, Node],
    owner: Owner,
    listen: Listener,
    current: CurrentChanges,
) -> World:
    """Make the changes of `shown`, and read all machines again: nothing of it may be left to do.

    Between the showing and the lock the machines may have changed: then StalePlanError is raised
    and nothing is done. Once `current` is stopped no further change is begun, and StoppedError is
    raised, or LockLostError when somebody else has taken over meanwhile.
    """
    manager = {name: node for name, node in nodes.items() if name == spec.manager.name}
    launch = replace(LAUNCH, need="root")  # who may use Docker is one of the things that change
    with locked(manager, launch, owner), locked(nodes, CHANGES, owner, current.stop):
        world = observe(spec, nodes)
        ensure_unchanged(planner(world), shown)
        apply(shown, spec, nodes, world, listen, current)
        world = observe(spec, nodes)
        _ensure_nothing_left(planner(world), shown)
    return world


def apply(
    plan: Plan,
    spec: ClusterSpec,
    nodes: Mapping[str, Node],
    world: World,
    listen: Listener,
    current: CurrentChanges,
) -> None:
    """Make the changes. A record is written before its change, and goes after the way back."""
    records = {name: journal.records(facts) for name, facts in world.items()}

    def work(step: Step) -> None:
        if not current.begin(step.change):
            return
        try:
            make(step)
            made.append(step)
        except LockLostError as error:
            current.stop(error)
            raise
        finally:
            current.end(step.change)

    def make(step: Step) -> None:
        node = nodes[step.change.node]
        if step.journaled:
            known = records[step.change.node]
            record = journal.record_for(known, spec.name, step.resource, step.change, world)
            journal.write(node, spec.paths.state, record)
            known.append(record)
        _make(step, nodes, listen)
        if step.record is not None:
            journal.forget(node, spec.paths.state, [step.record])

    made: list[Step] = []
    passed = _by_stages(plan, work)
    if len(made) + len(passed) < len(plan.steps):
        raise current.why or StoppedError(
            f"stopped after {len(made)} of {len(plan.steps)} changes",
            resolution="Continue: `sparkctl cluster up`. Roll back: `sparkctl cluster down`. "
            "The machines know what was done.",
        )
    raise_all(passed)
    # After `down` everywhere: a power cut may have left half a record and no whole one.
    back = nodes if plan.direction == "down" else {name for name, _ in plan.already_restored}
    restored = {
        name: [file for node, file in plan.already_restored if node == name] for name in back
    }
    on_each(back, lambda name: journal.forget(nodes[name], spec.paths.state, restored[name]))


def _by_stages(plan: Plan, work: Callable[[Step], None]) -> dict[str, SparkctlError]:
    """The first failure ends it, but for those on the way back that nothing rests on: by change."""
    passed: dict[str, SparkctlError] = {}
    for _, stage in groupby(plan.steps, key=lambda step: step.change.stage):
        by_node: dict[str, list[Step]] = {}
        for step in stage:
            by_node.setdefault(step.change.node, []).append(step)

        def on_node(name: str, steps: Mapping[str, list[Step]] = by_node) -> None:
            for step in steps[name]:
                try:
                    work(step)
                except (ChangeError, RemoteError) as error:
                    alone = plan.direction == "down" and step.resource.apart
                    if not alone or isinstance(error, LockLostError):
                        raise
                    passed[step.change.id] = error

        _, failed = try_each(by_node, on_node)
        if failed:
            raise_all({**passed, **failed})
    return passed


def _make(step: Step, nodes: Mapping[str, Node], listen: Listener) -> None:
    listen(ChangeStarted(step.change))
    began = time.monotonic()
    try:
        try:
            step.resource.apply(nodes, step.change)
        except RemoteError:
            _ensure_reachable(nodes)
            raise
        except SparkctlError:
            raise
        except Exception as error:
            if not is_of_docker(error):
                raise
            _ensure_reachable(nodes)
            raise ChangeError(
                f"{step.change.id}: {step.change.summary}: did not work",
                details=str(getattr(error, "explanation", None) or error),
                resolution="The previous state is in the journal: run the command again to "
                "continue, or `sparkctl cluster down` to roll back.",
                node=step.change.node,
            ) from None
    except SparkctlError as error:
        listen(ChangeFailed(step.change, error))
        raise
    listen(ChangeDone(step.change, time.monotonic() - began))


def _ensure_reachable(nodes: Mapping[str, Node]) -> None:
    """A machine that is out of reach is the reason for what Docker did not answer."""
    _, errors = try_each(nodes, lambda name: nodes[name].script(":", deadline=15))
    raise_all({name: e for name, e in errors.items() if isinstance(e, ConnectError)})


def _ensure_nothing_left(rest: Plan, shown: Plan) -> None:
    """After a repair other things may be left, which could not be seen before; not the same."""
    done = {change.id for change in shown.changes}
    left = [c for c in rest.changes if rest.direction != "repair" or c.id in done]
    if left:
        raise ChangeError(
            "after all changes the machines are not as they should be",
            details="\n".join(f"{c.id}: {c.summary}" for c in left),
            resolution="Run the command again; if it stays so, please report it.",
        )
