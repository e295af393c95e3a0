"""Between the question and the lock the machines may change: what counts as another plan."""

from dataclasses import replace

import pytest

from orchestrator.errors import StalePlanError
from orchestrator.reconcile.plan import Plan, plan_up
from orchestrator.reconcile.plan_file import ensure_unchanged
from tests.support.clusters import changed, sparks, world_of


def the_plan(**differences: object) -> Plan:
    world = world_of(sparks(2))
    world["spark-b"] = changed(world["spark-b"], differences)
    return plan_up(sparks(2), world)


def test_a_container_that_ended_meanwhile_is_no_other_plan() -> None:
    busy = {"containers": ["busy"], "run_containers": ["busy"]}
    shown, now = the_plan(**busy), the_plan()
    assert [c.notes for c in shown.changes] != [c.notes for c in now.changes]
    ensure_unchanged(now, shown)


def test_what_is_not_ours_and_came_meanwhile_was_never_agreed_to() -> None:
    shown, now = the_plan(strangers=["container web"]), the_plan(strangers=["container db"])
    ensure_unchanged(the_plan(), shown)
    with pytest.raises(StalePlanError):
        ensure_unchanged(now, shown)


@pytest.mark.parametrize(
    "differences", [{"groups": ["nvidia", "docker"]}, {"daemon_json": '{"debug": true}'}]
)
def test_another_state_is_another_plan(differences: dict[str, object]) -> None:
    with pytest.raises(StalePlanError, match="have changed since"):
        ensure_unchanged(the_plan(**differences), the_plan())


def test_another_order_is_another_plan() -> None:
    shown = the_plan()
    with pytest.raises(StalePlanError):
        ensure_unchanged(replace(shown, steps=shown.steps[::-1]), shown)
