"""What is decided before anything changes."""

import pytest

from orchestrator.errors import RunError
from orchestrator.facts.machine import Facts
from orchestrator.reconcile.plan import plan_up
from orchestrator.runs.launch import prepare
from orchestrator.spec.cluster import ClusterSpec
from orchestrator.spec.load import load_stack
from tests.support.clusters import cluster, sparks, world_of
from tests.support.simulate import made

TINY, LARGE = load_stack("tiny-llama-lora"), load_stack("llama3-70b-lora")


def taken_in(spec: ClusterSpec) -> dict[str, Facts]:
    bare = world_of(spec)
    return made(plan_up(spec, bare), spec, bare)


def test_a_required_secret_without_a_value_is_told_before_anything_changes() -> None:
    for environ in ({}, {"HF_TOKEN": ""}):
        with pytest.raises(RunError, match="llama3-70b-lora needs the secret HF_TOKEN") as caught:
            prepare(sparks(2), LARGE, taken_in(sparks(2)), environ)
        assert "export HF_TOKEN=" in str(caught.value.resolution)


def test_a_secret_that_is_not_required_may_be_missing() -> None:
    stack = load_stack("tiny-llama-lora", ("secrets=[{name: HF_TOKEN}]",))
    assert prepare(sparks(2), stack, taken_in(sparks(2)), {}).secrets == {}
    given = prepare(sparks(2), stack, taken_in(sparks(2)), {"HF_TOKEN": "x", "OTHER": "y"})
    assert given.secrets == {"HF_TOKEN": "x"}


def test_too_few_machines() -> None:
    with pytest.raises(RunError, match="needs 2 nodes, the cluster desk has 1"):
        prepare(sparks(1), LARGE, taken_in(sparks(1)), {"HF_TOKEN": "x"})
    with pytest.raises(RunError, match="needs 2 nodes"):
        prepare(sparks(1), LARGE, None, {})


def test_not_in_the_swarm() -> None:
    with pytest.raises(RunError, match="spark-a is not in the swarm") as caught:
        prepare(sparks(2), TINY, world_of(sparks(2)), {})
    assert "sparkctl cluster up" in str(caught.value.resolution)
    assert caught.value.node == "spark-a"


def test_a_node_that_has_left_is_named() -> None:
    world = taken_in(sparks(2)) | {"spark-b": world_of(sparks(2))["spark-b"]}
    with pytest.raises(RunError, match="spark-b is not in the swarm"):
        prepare(sparks(2), TINY, world, {})


def test_ranks_follow_the_order_of_the_file() -> None:
    prepared = prepare(sparks(3), TINY, taken_in(sparks(3)), {})
    assert [(rank.rank, rank.node) for rank in prepared.ranks] == [
        (0, "spark-a"),
        (1, "spark-b"),
        (2, "spark-c"),
    ]
    assert prepared.ranks[1].swarm_node_id == "id-of-spark-b"
    assert prepared.ranks[1].runs == "/home/nvidia/sparkctl/runs"


def test_a_stack_for_fewer_machines_takes_the_first_ones() -> None:
    stack = load_stack("tiny-llama-lora", ("nodes.max=2",))
    prepared = prepare(sparks(3), stack, taken_in(sparks(3)), {})
    assert [rank.node for rank in prepared.ranks] == ["spark-a", "spark-b"]
    assert 'SPARKCTL_WORLD_SIZE: "2"' in prepared.rendered.compose


def test_two_runs_never_share_a_name() -> None:
    world = taken_in(sparks(2))
    one, two = (prepare(sparks(2), TINY, world, {}) for _ in range(2))
    assert one.rendered.run != two.rendered.run


def test_the_image_is_named_after_what_is_in_it() -> None:
    one, two = (prepare(sparks(2), TINY, None, {}).image for _ in range(2))
    assert one == two
    other = cluster({"container": {"base_image": "mine:1"}})
    assert prepare(other, TINY, None, {}).image.tag != one.tag
    stack = load_stack("tiny-llama-lora", ("base_image=theirs:2",))
    assert prepare(other, stack, None, {}).image.base == "theirs:2"
