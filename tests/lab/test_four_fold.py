"""Each resource alone, on real machines: the plan says it, it is made, nothing is left, it goes."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import pytest

from orchestrator.node.connect import connect_all
from orchestrator.reconcile.apply import apply, apply_plan
from orchestrator.reconcile.current_changes import CurrentChanges
from orchestrator.reconcile.events import Event
from orchestrator.reconcile.observe import observe
from orchestrator.reconcile.owner import this_owner
from orchestrator.reconcile.plan import Plan, plan_down, plan_up
from orchestrator.resources.registry import REGISTRY
from orchestrator.spec.load import load_cluster
from tests.lab.machine import Machine, snapshot
from tests.lab.sparkctl import Sparkctl


def _only(plan: Plan, kind: str) -> Plan:
    return replace(plan, steps=tuple(s for s in plan.steps if s.resource.kind == kind))


def _ids(plan: Plan) -> list[str]:
    return [change.id for change in plan.changes]


def _silent(event: Event) -> None:
    pass


@pytest.mark.parametrize("kind", dict.fromkeys(one.kind for one in REGISTRY if one.journaled))
def test_plan_apply_nothing_restore_original(
    kind: str,
    sparkctl: Sparkctl,
    machines: dict[str, Machine],
    later: Callable[[Callable[[], object]], None],
) -> None:
    spec = load_cluster(sparkctl.file)
    later(lambda: sparkctl("cluster", "down", "--yes"))
    with connect_all(spec) as nodes:
        world = observe(spec, nodes)
        before = {name: snapshot(machine) for name, machine in machines.items()}
        up = _only(plan_up(spec, world), kind)
        assert set(up.nodes) == set(machines)

        apply(up, spec, nodes, world, _silent, CurrentChanges())
        assert {name: snapshot(machine) for name, machine in machines.items()} != before
        world = observe(spec, nodes)
        assert _ids(_only(plan_up(spec, world), kind)) == []

        down = plan_down(spec, world)
        assert sorted(_ids(down)) == sorted(_ids(up))
        owner = this_owner("the test")
        apply_plan(down, partial(plan_down, spec), spec, nodes, owner, _silent, CurrentChanges())
    assert {name: snapshot(machine) for name, machine in machines.items()} == before
