"""Carry out a plan: journaled, in parallel over nodes, and observed again before it counts."""

import threading
import time
from collections.abc import Callable, Mapping
from itertools import groupby

import docker
import requests

from orchestrator.errors import ChangeError, SparkctlError, StoppedError
from orchestrator.node.node import Node
from orchestrator.node.parallel import on_each
from orchestrator.reconcile import journal
from orchestrator.reconcile.events import ChangeDone, ChangeFailed, ChangeStarted, Listener
from orchestrator.reconcile.observe import observe
from orchestrator.reconcile.plan import Plan, Step, plan_down, plan_up
from orchestrator.resources.base import World
from orchestrator.spec.cluster import ClusterSpec


def apply_up(
    plan: Plan,
    spec: ClusterSpec,
    nodes: Mapping[str, Node],
    world: World,
    listen: Listener,
    stop: threading.Event | None = None,
) -> None:
    """Make the changes of an `up` plan, then read all machines again: nothing may be left to do.

    Once `stop` is set no further change is begun, and StoppedError is raised.
    """
    records = {name: journal.records(facts) for name, facts in world.items()}

    def step_up(step: Step) -> None:
        known = records[step.change.node]
        record = journal.record_for(known, spec.name, step.resource, step.change)
        journal.write(nodes[step.change.node], spec.paths.state, record)
        known.append(record)
        _make(step, nodes, listen)

    _by_stages(plan, step_up, stop)
    _refuse_rest(plan_up(spec, observe(spec, nodes)))


def apply_down(
    plan: Plan,
    spec: ClusterSpec,
    nodes: Mapping[str, Node],
    listen: Listener,
    stop: threading.Event | None = None,
) -> None:
    """Make the changes of a `down` plan; a record goes when its thing is as it was.

    Once `stop` is set no further change is begun, and StoppedError is raised.
    """

    def step_down(step: Step) -> None:
        _make(step, nodes, listen)
        if step.record is not None:
            journal.forget(nodes[step.change.node], spec.paths.state, [step.record])

    _by_stages(plan, step_down, stop)
    settled = {node: [f for n, f in plan.settled if n == node] for node, _ in plan.settled}
    on_each(settled, lambda name: journal.forget(nodes[name], spec.paths.state, settled[name]))
    _refuse_rest(plan_down(spec, observe(spec, nodes)))


def _by_stages(plan: Plan, work: Callable[[Step], None], stop: threading.Event | None) -> None:
    made: list[Step] = []
    for _, stage in groupby(plan.steps, key=lambda step: step.change.stage):
        by_node: dict[str, list[Step]] = {}
        for step in stage:
            by_node.setdefault(step.change.node, []).append(step)

        def on_node(name: str, steps: Mapping[str, list[Step]] = by_node) -> None:
            for step in steps[name]:
                if stop is not None and stop.is_set():
                    return
                work(step)
                made.append(step)

        on_each(by_node, on_node)
    if len(made) < len(plan.steps):
        raise StoppedError(
            f"stopped after {len(made)} of {len(plan.steps)} changes",
            resolution="Go on: `sparkctl cluster up`. Back: `sparkctl cluster down`. "
            "The machines know what was done.",
        )


def _make(step: Step, nodes: Mapping[str, Node], listen: Listener) -> None:
    listen(ChangeStarted(step.change))
    began = time.monotonic()
    try:
        try:
            step.resource.apply(nodes, step.change)
        except (docker.errors.DockerException, requests.RequestException, OSError) as error:
            raise ChangeError(
                f"{step.change.id}: {step.change.summary}: did not work",
                details=str(getattr(error, "explanation", None) or error),
                resolution="What was there before is in the journal: run the command again to go "
                "on, or `sparkctl cluster down` to go back.",
                node=step.change.node,
            ) from None
    except SparkctlError as error:
        listen(ChangeFailed(step.change, error))
        raise
    listen(ChangeDone(step.change, time.monotonic() - began))


def _refuse_rest(rest: Plan) -> None:
    if rest.steps:
        raise ChangeError(
            "after all changes the machines are not as they should be",
            details="\n".join(f"{c.id}: {c.summary}" for c in rest.changes),
            resolution="Run the command again; if it stays so, please report it.",
        )
