"""Promises of the plan on thousands of machines that nobody thought of: pure, simulated."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from orchestrator.facts.machine import Facts
from orchestrator.reconcile.plan import plan_down, plan_up
from orchestrator.resources.base import World
from orchestrator.spec.cluster import ClusterSpec
from tests.support.clusters import cluster, under_new_names
from tests.support.simulate import made
from tests.support.strategies import worlds


@given(worlds())
def test_after_up_nothing_is_left_to_do(drawn: tuple[ClusterSpec, dict[str, Facts]]) -> None:
    spec, world = drawn
    after = made(plan_up(spec, world), spec, world)
    assert [c.id for c in plan_up(spec, after).changes] == []


@given(worlds())
def test_down_after_up_gives_everything_back(drawn: tuple[ClusterSpec, dict[str, Facts]]) -> None:
    spec, world = drawn
    up = made(plan_up(spec, world), spec, world)
    down = made(plan_down(spec, up), spec, up)
    assert _known(spec, down) == _known(spec, world)


@given(worlds(), st.data())
def test_down_gives_everything_back_whatever_the_machines_are_called_now(
    drawn: tuple[ClusterSpec, dict[str, Facts]], data: st.DataObject
) -> None:
    spec, world = drawn
    names = data.draw(st.permutations([*world, "spark-x", "spark-y", "spark-z"]))
    was = dict(zip(names, world, strict=False))
    later = cluster({"nodes": list(was), "gpu": spec.gpu.model_dump()})
    up = under_new_names(later, made(plan_up(spec, world), spec, world), was)
    down = made(plan_down(later, up), later, up)
    assert _known(later, down) == _known(later, under_new_names(later, world, was))


@given(worlds())
def test_after_down_nothing_is_left_to_give_back(
    drawn: tuple[ClusterSpec, dict[str, Facts]],
) -> None:
    spec, world = drawn
    up = made(plan_up(spec, world), spec, world)
    down = made(plan_down(spec, up), spec, up)
    again = plan_down(spec, down)
    assert (again.steps, again.already_restored) == ((), ())


def _known(spec: ClusterSpec, world: World) -> dict[str, Facts]:
    """Without what Docker says of itself: it says the same in more than one way."""
    return {name: replace(facts, docker=None) for name, facts in world.items()}
