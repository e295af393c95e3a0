"""A new resource is one file, tried on a copy of the tree.

A toy is added as one file, and the tests that were there say whether any other place has to know of
it: at most the one case that lists everything.
"""

from pathlib import Path

import pytest

from tests.support.copied_tree import outcome_with

pytestmark = pytest.mark.patient

RESOURCE = '''\
"""A toy: the kernel's handover over kexec, switched off."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import ClassVar, Self

from orchestrator.node.node import Node
from orchestrator.resources.base import Change, Resource, Stage, State, World, members
from orchestrator.spec.cluster import ClusterSpec


@dataclass(frozen=True)
class Handover(Resource):
    """Off for every run."""

    kind: ClassVar[str] = "toy"
    stage: ClassVar[Stage] = Stage.HOST

    @classmethod
    def wanted(cls, spec: ClusterSpec, world: World) -> Iterable[Self]:
        return [cls(facts.node) for facts in members(spec, world)]

    def observe(self, world: World) -> State:
        return {"off": world[self.node].kho_off}

    def desired(self, world: World) -> State:
        return {"off": True}

    def summary(self, before: State | None, after: State | None) -> str:
        return "handover off" if after and after["off"] else "handover as it was"

    def apply(self, nodes: Mapping[str, Node], change: Change) -> None:
        nodes[self.node].script(f"toy {change.after}")

    def foreseen(self, world: World, change: Change) -> World:
        off = bool(change.after and change.after["off"])
        return {**world, self.node: replace(world[self.node], kho_off=off)}
'''


def test_a_resource_is_one_file(tmp_path: Path) -> None:
    """It is planned, made, journaled, given back, and shown; one case lists all that is planned."""
    paths = ("tests/planner", "tests/reconcile", "tests/resources", "tests/cli")
    done = outcome_with(tmp_path, {"orchestrator/resources/toy.py": RESOURCE}, *paths)
    assert done.red == ("test_the_plan_is_as_the_case_says[up-two-stock-sparks]",)
    assert done.passed > 500
