"""Plans from data files: a cluster and its machines -> exactly these changes. See cases/README."""

import json
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pytest

from orchestrator.reconcile.plan import Plan, plan_down, plan_up
from orchestrator.reconcile.repair import plan_repair
from tests.support.clusters import (
    case_files,
    changed,
    cluster,
    read_case,
    under_new_names,
    world_of,
)
from tests.support.simulate import made

CASES = Path(__file__).parent / "cases"
KEYS = {
    "what",
    "cluster",
    "facts",
    "up",
    "then",
    "plan",
    "look_at",
    "changes",
    "kept",
    "already_restored",
}
KEYS |= {"daemon_json", "delete_runs", "cluster_then", "was", "offline", "others", "advice"}
WHEN_WRITTEN = {
    *("docker-group", "swarm-resource", "daemon.json", "directory", "swarm", "swarm-list"),
    *("membership", "engine", "runs", "images", "copies"),
}
"""Kinds of resources; a case that names none says nothing of those that came later."""
SIGNS = {"create": "+", "update": "~", "delete": "-"}


@pytest.mark.parametrize("path", case_files(CASES), ids=lambda path: path.stem)
def test_the_plan_is_as_the_case_says(path: Path) -> None:
    case = read_case(path, KEYS)
    plan = _plan(case)
    assert _lines(plan, case.get("look_at")) == case["changes"].splitlines()
    assert list(plan.kept) == case.get("kept", [])
    assert list(plan.advice) == case.get("advice", [])
    assert [str(other) for other in plan.others] == case.get("others", [])
    already_restored = [f"{node}/{record}" for node, record in plan.already_restored]
    patterns = case.get("already_restored", [])
    assert len(already_restored) == len(patterns)
    assert all(map(fnmatchcase, already_restored, patterns))
    for name, document in case.get("daemon_json", {}).items():
        assert _daemon_json(plan, name) == document


def _plan(case: dict[str, Any]) -> Plan:
    spec = cluster(case.get("cluster"))
    world = world_of(spec, case.get("facts"))
    if case.get("up"):
        world = made(plan_up(spec, world), spec, world)
    for name, differences in case.get("then", {}).items():
        world[name] = changed(world[name], differences)
    if "cluster_then" in case:
        spec = cluster(case["cluster_then"])
        world = under_new_names(spec, world, case.get("was", {}))
    for name in case.get("offline", []):
        del world[name]
    if case["plan"] == "repair":
        return plan_repair(spec, world)
    if case["plan"] == "down":
        return plan_down(spec, world, delete_runs=case.get("delete_runs", False))
    assert case["plan"] == "up"
    return plan_up(spec, world)


def _lines(plan: Plan, look_at: str | None) -> list[str]:
    """A change is `sign id: summary`, a note below it begins with `!`."""
    lines = []
    for change in plan.changes:
        known = change.resource.partition(":")[0] in WHEN_WRITTEN
        if known if look_at is None else look_at in change.id:
            lines.append(f"{SIGNS[change.action]} {change.id}: {change.summary}")
            lines += [f"! {note}" for note in change.notes]
    return lines


def _daemon_json(plan: Plan, node: str) -> Any:
    (change,) = (c for c in plan.changes if c.id == f"{node}/daemon.json")
    file = (change.after or {})["file"]
    return None if file is None else json.loads(file["text"])
